//! The routes of `links`.
