//! Creates contents from files and bytes: reads within a size limit and finds the media type.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Content, Media, data_url, media_type};

/// Creates contents from files and bytes, with a limit on their size.
///
/// [`Content::from_path`] and [`Content::from_bytes`] use the default settings.
///
/// ```
/// # use chatlas_core::content::MediaLoader;
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let report = MediaLoader::new().with_max_bytes(2_000_000).load_path("report.pdf").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MediaLoader {
    max_bytes: u64,
}

impl Default for MediaLoader {
    fn default() -> Self {
        Self::new()
    }
}

impl MediaLoader {
    /// The default size limit in bytes: 15 MB, which are 20 MB of base64.
    pub const DEFAULT_MAX_BYTES: u64 = 15_000_000;

    /// Creates a loader with the default size limit.
    pub const fn new() -> Self {
        Self { max_bytes: Self::DEFAULT_MAX_BYTES }
    }

    /// Sets the maximum size of a file in bytes, before it is encoded as base64. Default: 15 MB.
    #[must_use]
    pub const fn with_max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Reads a file and creates an image or a document from it, as [`load_bytes`](Self::load_bytes)
    /// does. The file is read and encoded on a thread for blocking work. The size is checked before
    /// the file is read. If the future is dropped, the thread finishes in the background.
    ///
    /// # Errors
    ///
    /// Fails if the path cannot be read or is not a regular file, if there is no tokio runtime, and
    /// in the cases of [`load_bytes`](Self::load_bytes).
    pub async fn load_path(&self, path: impl Into<PathBuf>) -> Result<Content, MediaError> {
        let path = path.into();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let failed = |source| MediaError::Read { name: name.clone(), source };
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| failed(io::Error::other(error)))?;
        let (loader, file_name) = (self.clone(), name.clone());
        let load = runtime.spawn_blocking(move || loader.load_path_blocking(&path, file_name));
        load.await.unwrap_or_else(|error| Err(failed(io::Error::other(error))))
    }

    fn load_path_blocking(&self, path: &Path, name: String) -> Result<Content, MediaError> {
        match read(path, self.max_bytes) {
            Ok(Ok(bytes)) => self.load_bytes(bytes, name),
            Ok(Err(size)) => Err(MediaError::TooLarge { name, size, max_bytes: self.max_bytes }),
            Err(source) => Err(MediaError::Read { name, source }),
        }
    }

    /// Creates an image or a document from the bytes of a file. The file name is sent to the model.
    ///
    /// The media type is that of the content; the extension decides where the content does not.
    /// Images, PDFs, office documents, audio, video and text in UTF-8 are supported. Audio, video and
    /// text are documents. The provider checks which of these its vendor accepts.
    ///
    /// # Errors
    ///
    /// Fails if there are no bytes or more than the size limit, and if no vendor accepts their type.
    pub fn load_bytes(
        &self,
        bytes: impl AsRef<[u8]>,
        name: impl Into<String>,
    ) -> Result<Content, MediaError> {
        let (bytes, name) = (bytes.as_ref(), name.into());
        self.check_size(bytes, &name)?;
        let mime_type = match media_type::find(bytes, &name) {
            Ok(mime_type) => mime_type,
            Err(mime_type) => return Err(MediaError::Unsupported { name, mime_type }),
        };
        let media = Media::from_base64(mime_type, STANDARD.encode(bytes)).with_name(name);
        Ok(image_or_document(mime_type, media))
    }

    /// Creates an image or a document from a URL that the vendor can reach, or from a `data:` URL.
    ///
    /// The extension in the path of the URL decides whether it is an image; a URL without one is a
    /// document. Nothing is downloaded. The bytes of a `data:` URL have the type in the URL.
    ///
    /// # Errors
    ///
    /// Fails if a `data:` URL has no valid base64, no bytes, or more than the size limit.
    pub fn load_url(&self, url: impl Into<String>) -> Result<Content, MediaError> {
        let url = url.into();
        if !url.starts_with("data:") {
            let path = url.split(['?', '#']).next().unwrap_or_default();
            let mime_type = media_type::of_name(path).unwrap_or_default();
            return Ok(image_or_document(mime_type, Media::from_url(url)));
        }
        let (mime_type, data) = data_url(&url).ok_or(MediaError::InvalidDataUrl)?;
        let bytes = STANDARD.decode(data).map_err(|_| MediaError::InvalidDataUrl)?;
        self.check_size(&bytes, "data: URL")?;
        // A URL without a type contains text (RFC 2397).
        let mime_type = match mime_type.split(';').next().map(str::trim) {
            None | Some("") => "text/plain",
            Some(mime_type) => mime_type,
        };
        Ok(image_or_document(mime_type, Media::from_base64(mime_type, data)))
    }

    fn check_size(&self, bytes: &[u8], name: &str) -> Result<(), MediaError> {
        let size = bytes.len() as u64;
        if size == 0 {
            return Err(MediaError::Empty { name: name.to_owned() });
        }
        if size > self.max_bytes {
            let (name, max_bytes) = (name.to_owned(), self.max_bytes);
            return Err(MediaError::TooLarge { name, size, max_bytes });
        }
        Ok(())
    }
}

fn image_or_document(mime_type: &str, media: Media) -> Content {
    let is_image = mime_type.starts_with("image/");
    if is_image { Content::Image(media) } else { Content::Document(media) }
}

/// Reads a regular file of at most `max_bytes`, and returns the size of a larger one as the inner
/// error.
fn read(path: &Path, max_bytes: u64) -> io::Result<Result<Vec<u8>, u64>> {
    // Opening a pipe would block until something writes to it.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if metadata.len() > max_bytes {
        return Ok(Err(metadata.len()));
    }
    // The file may grow while it is read. One more byte than the limit shows that it is too large.
    let mut bytes = Vec::new();
    File::open(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Ok(bytes))
}

/// The error of a file or a `data:` URL that cannot become a [`Content`].
#[derive(Debug)]
#[non_exhaustive]
pub enum MediaError {
    /// The file cannot be read.
    #[non_exhaustive]
    Read {
        /// The file name.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The file is empty.
    #[non_exhaustive]
    Empty {
        /// The file name.
        name: String,
    },
    /// The file exceeds the size limit.
    #[non_exhaustive]
    TooLarge {
        /// The file name.
        name: String,
        /// The size of the file in bytes.
        size: u64,
        /// The limit in bytes.
        max_bytes: u64,
    },
    /// A `data:` URL has no valid base64. Percent-encoded data is unsupported.
    InvalidDataUrl,
    /// No vendor accepts files of this type.
    #[non_exhaustive]
    Unsupported {
        /// The file name.
        name: String,
        /// The MIME type, if it was recognised.
        mime_type: Option<&'static str>,
    },
}

impl fmt::Display for MediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { name, .. } => write!(f, "cannot read `{name}`"),
            Self::Empty { name } => write!(f, "`{name}` is empty"),
            Self::TooLarge { name, size, max_bytes } => write!(
                f,
                "`{name}` has {size} bytes, the limit is {max_bytes}: send a smaller file, or set \
                 the limit with `MediaLoader::with_max_bytes`"
            ),
            Self::InvalidDataUrl => {
                f.write_str("invalid `data:` URL: it must have the form `data:image/png;base64,…`")
            }
            Self::Unsupported { name, mime_type } => write!(
                f,
                "`{name}` has the unsupported type {}: convert it to text, PDF, PNG or JPEG",
                mime_type.unwrap_or("application/octet-stream")
            ),
        }
    }
}

impl Error for MediaError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    /// A file in the directory for temporary files, removed at the end of the test.
    struct TempFile(PathBuf);

    impl TempFile {
        fn new(name: &str, bytes: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("chatlas-{}-{name}", std::process::id()));
            std::fs::write(&path, bytes).unwrap();
            Self(path)
        }
    }

    impl Drop for TempFile {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[tokio::test]
    async fn file_becomes_a_content_with_its_name_and_type() {
        let file = TempFile::new("photo.txt", PNG);
        let content = Content::from_path(&file.0).await.unwrap();
        let name = file.0.file_name().unwrap().to_str().unwrap();
        let media = Media::from_base64("image/png", STANDARD.encode(PNG)).with_name(name);
        assert_eq!(content, Content::Image(media));
    }

    #[tokio::test]
    async fn file_above_the_limit_is_an_error_with_its_size() {
        let file = TempFile::new("limit.txt", b"12345");
        let loader = MediaLoader::new();
        assert!(loader.clone().with_max_bytes(5).load_path(&file.0).await.is_ok());
        let error = loader.with_max_bytes(4).load_path(&file.0).await.unwrap_err();
        assert!(matches!(error, MediaError::TooLarge { size: 5, max_bytes: 4, .. }), "{error}");
    }

    #[tokio::test]
    async fn missing_files_and_directories_are_read_errors() {
        for path in [std::env::temp_dir(), std::env::temp_dir().join("chatlas-missing.pdf")] {
            let error = Content::from_path(path).await.unwrap_err();
            assert!(matches!(error, MediaError::Read { .. }), "{error}");
        }
    }

    #[test]
    fn loading_a_path_without_a_runtime_is_an_error() {
        let load = Content::from_path("a.pdf");
        let result = futures_util::FutureExt::now_or_never(load).unwrap();
        assert!(matches!(result, Err(MediaError::Read { .. })));
    }

    #[test]
    fn empty_oversized_and_unsupported_bytes_are_errors() {
        let message = |bytes: &[u8]| {
            let loader = MediaLoader::new().with_max_bytes(20);
            loader.load_bytes(bytes, "a.bin").unwrap_err().to_string()
        };
        assert_eq!(message(b""), "`a.bin` is empty");
        assert!(message(&[b'a'; 21]).starts_with("`a.bin` has 21 bytes, the limit is 20"));
        assert!(message(b"\0\xff\0\xff").contains("application/octet-stream"));
        assert!(message(b"\x1f\x8b\x08\0").contains("application/gzip"));
    }

    #[test]
    fn data_url_becomes_inline_bytes_of_its_type() {
        let document = |url: &str| Content::from_url(url).unwrap();
        let png = Content::image_base64("image/png", "aGk=");
        assert_eq!(document("data:image/png;base64,aGk="), png);
        let text = Content::Document(Media::from_base64("text/plain", "aGk="));
        assert_eq!(document("data:text/plain;charset=utf-8;base64,aGk="), text);
        assert_eq!(document("data:;base64,aGk="), text);
    }

    #[test]
    fn invalid_empty_and_oversized_data_urls_are_errors() {
        let load = |url| MediaLoader::new().with_max_bytes(1).load_url(url).unwrap_err();
        for url in ["data:text/plain,hi", "data:image/png;base64,a?"] {
            assert!(matches!(load(url), MediaError::InvalidDataUrl), "{url}");
        }
        assert!(matches!(load("data:image/png;base64,"), MediaError::Empty { .. }));
        let error = load("data:image/png;base64,aGk=");
        assert!(matches!(error, MediaError::TooLarge { size: 2, .. }), "{error}");
    }

    #[test]
    fn extension_of_a_url_decides_whether_it_is_an_image() {
        let image = "https://example.com/a.PNG?size=2.pdf#b";
        assert_eq!(Content::from_url(image).unwrap(), Content::image_url(image));
        for document in ["https://example.com/a.pdf?b=c.png", "https://example.com"] {
            assert_eq!(Content::from_url(document).unwrap(), Content::document_url(document));
        }
    }
}
