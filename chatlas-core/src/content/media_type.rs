//! Finds the media type of a file: by its content, then by its extension.

/// The binary formats that at least one vendor accepts: extension, MIME type.
const BINARY: [(&str, &str); 22] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("pdf", "application/pdf"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("aac", "audio/aac"),
    ("m4a", "audio/mp4"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
];

/// The text formats with a MIME type other than `text/plain`: extension, MIME type.
const TEXT: [(&str, &str); 8] = [
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("xml", "text/xml"),
    ("css", "text/css"),
    ("json", "application/json"),
    ("rtf", "text/rtf"),
];

/// Returns the MIME type of a file, or the unsupported type, if it is recognised, as the error.
pub(super) fn find(bytes: &[u8], name: &str) -> Result<&'static str, Option<&'static str>> {
    let detected = infer::get(bytes).map(|kind| usual_name(kind.mime_type()));
    if detected == Some("application/pdf") {
        return Ok("application/pdf");
    }
    // Some signatures are ASCII letters, such as `BM`, with which a text may begin. All binary
    // formats except PDF have bytes that UTF-8 text does not contain.
    if !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok() {
        return Ok(by_extension(&TEXT, name).unwrap_or("text/plain"));
    }
    match detected {
        Some(mime_type) if BINARY.iter().any(|(_, accepted)| *accepted == mime_type) => {
            Ok(mime_type)
        }
        // Office documents are archives with a signature of their container only.
        None | Some("application/zip" | "application/x-ole-storage") => {
            of_name(name).ok_or(detected)
        }
        Some(_) => Err(detected),
    }
}

/// Returns the MIME type of a binary format by the extension of its file name or path.
pub(super) fn of_name(name: &str) -> Option<&'static str> {
    by_extension(&BINARY, name)
}

fn by_extension(types: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    let found = types.iter().find(|(listed, _)| extension.eq_ignore_ascii_case(listed));
    found.map(|(_, mime_type)| *mime_type)
}

/// Returns the usual name of a type that `infer` names differently.
fn usual_name(mime_type: &'static str) -> &'static str {
    match mime_type {
        "audio/x-wav" => "audio/wav",
        "audio/x-flac" => "audio/flac",
        "audio/m4a" => "audio/mp4",
        // Without its feature `std`, `infer` reports the container of all old office formats as Word.
        "application/msword" => "application/x-ole-storage",
        _ => mime_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_extension() {
        for (bytes, name, mime_type) in [
            (&b"%PDF-1.7\n"[..], "a.txt", "application/pdf"),
            (b"\x89PNG\r\n\x1a\n\0", "a.pdf", "image/png"),
            (b"\xff\xd8\xff\xe0\0", "a", "image/jpeg"),
            (b"RIFF\x24\0\0\0WAVEfmt ", "a.mp3", "audio/wav"),
            (b"fLaC\0\0\0\x22", "a", "audio/flac"),
            (b"ID3\x03\0\0\0", "a", "audio/mpeg"),
            (b"just text", "a.pdf", "text/plain"),
        ] {
            assert_eq!(find(bytes, name), Ok(mime_type), "{name}");
        }
    }

    #[test]
    fn text_that_begins_like_a_binary_format_is_text() {
        for text in ["BMW builds cars.", "ID3 is a tag.", "MZ", "Grüße"] {
            assert_eq!(find(text.as_bytes(), "a.txt"), Ok("text/plain"), "{text}");
        }
        assert_eq!(find(b"a,b\n1,2\n", "A.CSV"), Ok("text/csv"));
    }

    #[test]
    fn extension_decides_where_the_content_does_not() {
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        let archive = b"PK\x03\x04\x14\0\0\0";
        assert_eq!(find(archive, "a.docx"), Ok(docx));
        let ole = [&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], &[0; 600]].concat();
        assert_eq!(find(&ole, "a.doc"), Ok("application/msword"));
        assert_eq!(find(&ole, "a.xls"), Ok("application/vnd.ms-excel"));
        assert_eq!(find(&ole, "a.msi"), Err(Some("application/x-ole-storage")));
        assert_eq!(find(b"\0\0\xff\xff", "a.aac"), Ok("audio/aac"));
        assert_eq!(find(archive, "a.zip"), Err(Some("application/zip")));
        assert_eq!(find(b"\0\0\xff\xff", "a"), Err(None));
    }
}
