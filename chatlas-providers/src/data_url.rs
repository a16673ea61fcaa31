//! `data:` URLs, which contain an image or a document as base64.

/// Returns the media type and the base64 of such a URL; `None` for another URL.
pub(crate) fn read(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,")
}
