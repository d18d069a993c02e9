//! From file tensors to a backend's layout.

mod decode;
mod element_type;
mod load;

#[cfg(feature = "cpu")]
pub(crate) use decode::half_at;
pub(crate) use decode::scale_and_min;
pub use element_type::ElementType;
pub use load::{LoadListener, LoadProgress, load_weights, stand_ins};
