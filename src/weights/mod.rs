//! From file tensors to a backend's layout.

mod decode;
mod element_type;
mod load;

pub(crate) use decode::scale_and_min;
pub use element_type::ElementType;
pub use load::{LoadListener, LoadProgress, load_weights, stand_ins};
