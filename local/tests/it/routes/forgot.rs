//! The routes of `forgot`.
