//! The set on a simulated disk that fails, and on a real one.

mod certificates;
mod files;
mod model;
mod support;
