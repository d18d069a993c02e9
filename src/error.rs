//! Everything that can go wrong, each with what was expected, what was found and what to do.

/// The result of anything in Plume that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure that a caller can act on. The text in each variant is a whole sentence fragment that names the object,
/// what was expected and what was found; [`Error::code`] is the stable name that JavaScript sees as `error.code`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The bytes are no model file at all (an HTML page, say).
    #[error("not a model: {0}")]
    NotAModel(String),
    /// A model, but not a PLM or not one that this version runs.
    #[error("unsupported model: {0}")]
    UnsupportedModel(String),
    /// A file ends before something that its header promises.
    #[error("truncated file: {0}")]
    Truncated(String),
    /// A file contradicts its format or itself.
    #[error("malformed file: {0}")]
    Malformed(String),
    /// A tensor or a companion file that the model needs is not there.
    #[error("missing from the model: {0}")]
    Missing(String),
    /// The tokenizer's data cannot be used.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The chat template does not parse or fails on these messages.
    #[error("chat template: {0}")]
    Template(String),
    /// A server answered with an error, or with something other than what was asked.
    #[error("http: {0}")]
    Http(String),
    /// A byte source failed: the network is gone, a file cannot be read.
    #[error("input: {0}")]
    Io(String),
    /// A file is not the one that was asked for: its SHA-256 is another.
    #[error("corrupt file: {0}")]
    Corrupt(String),
    /// The disk, or what the browser allows on it, has too little room.
    #[error("no room: {0}")]
    Quota(String),
    /// There is no usable WebGPU adapter.
    #[error("no WebGPU: {0}")]
    NoWebGpu(String),
    /// The device has too little memory, or its limits are too small.
    #[error("out of device memory: {0}")]
    OutOfDeviceMemory(String),
    /// The device was lost, or failed while it worked.
    #[error("device lost: {0}")]
    DeviceLost(String),
    /// The prompt leaves no room in the context.
    #[error("context full: {0}")]
    ContextFull(String),
    /// A request's field is unknown, of the wrong type or out of range.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// The caller aborted.
    #[error("aborted by the caller")]
    Aborted,
}

impl Error {
    /// Whether a file's bytes are at fault, so that other bytes may do.
    pub fn is_of_content(&self) -> bool {
        use Error::*;
        matches!(
            self,
            NotAModel(_)
                | UnsupportedModel(_)
                | Truncated(_)
                | Malformed(_)
                | Missing(_)
                | Tokenizer(_)
                | Template(_)
                | Corrupt(_)
        )
    }

    /// The stable name of this kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAModel(_) => "not_a_model",
            Self::UnsupportedModel(_) => "unsupported_model",
            Self::Truncated(_) => "truncated",
            Self::Malformed(_) => "malformed",
            Self::Missing(_) => "missing",
            Self::Tokenizer(_) => "tokenizer",
            Self::Template(_) => "template",
            Self::Http(_) => "http",
            Self::Io(_) => "io",
            Self::Corrupt(_) => "corrupt",
            Self::Quota(_) => "quota",
            Self::NoWebGpu(_) => "no_webgpu",
            Self::OutOfDeviceMemory(_) => "out_of_device_memory",
            Self::DeviceLost(_) => "device_lost",
            Self::ContextFull(_) => "context_full",
            Self::InvalidRequest(_) => "invalid_request",
            Self::Aborted => "aborted",
        }
    }
}
