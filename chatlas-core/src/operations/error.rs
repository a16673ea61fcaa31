//! [`OperationError`]: the error of a retrieval or of a memory operation.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::telemetry::names::error::UNSUPPORTED;
use crate::tool::ToolError;

/// The error of a [`Retriever`](super::Retriever) or a [`MemoryStore`](super::MemoryStore).
///
/// ```
/// use chatlas_core::operations::OperationError;
///
/// fn read() -> Result<String, OperationError> {
///     std::fs::read_to_string("/no/such/file").map_err(OperationError::from_error)
/// }
///
/// assert_eq!(read().unwrap_err().error_type(), "std::io::error::Error");
/// ```
#[derive(Clone, Debug)]
pub struct OperationError {
    error_type: Cow<'static, str>,
    message: String,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl OperationError {
    /// Creates an error from an `error.type` with few values, such as `index_not_found`, and a
    /// message. The message is recorded only with capture on, because it may quote content.
    pub fn new(error_type: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { error_type: error_type.into(), message: message.into(), cause: None }
    }

    /// Creates an error from the error of a library. Its `error.type` is the name of the type.
    pub fn from_error<E: Error + Send + Sync + 'static>(error: E) -> Self {
        Self {
            error_type: std::any::type_name::<E>().into(),
            message: error.to_string(),
            cause: Some(Arc::new(error)),
        }
    }

    /// Creates the error of an operation that is not implemented.
    pub fn unsupported(operation: &str) -> Self {
        Self::new(UNSUPPORTED, format!("this store does not support `{operation}`"))
    }

    /// Returns the value of `error.type`.
    pub fn error_type(&self) -> &Cow<'static, str> {
        &self.error_type
    }

    /// Returns the error that [`from_error`](Self::from_error) received, if it has that type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.cause.as_ref()?.downcast_ref()
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for OperationError {
    /// Returns the cause of the library's error, whose own text is that of this error.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref()?.source()
    }
}

impl From<OperationError> for ToolError {
    fn from(error: OperationError) -> Self {
        Self::new(error.error_type, error.message)
    }
}
