pub mod app;
pub mod emf;
pub mod faulty_store;
pub mod openapi;
pub mod private;
pub mod privileges;
pub mod stack;
