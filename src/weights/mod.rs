//! From file tensors to a backend's layout.

mod decode;
mod element_type;
mod load;

pub use element_type::ElementType;
pub use load::{LoadProgress, load_weights};
