//! The page of reports: one HTML file with its style, script and data, which needs no network.

use std::io::{self, Write};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::json;
use serde_json::ser::Formatter;

use super::spans::Spans;
use crate::json::nanos;
use chatlas_core::cost::Prices;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
/// The script. Its files share one scope; the last one starts it.
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("page/base.js"),
    include_str!("page/model.js"),
    include_str!("page/search.js"),
    include_str!("page/markdown.js"),
    include_str!("page/conversation.js"),
    include_str!("page/details.js"),
    include_str!("page/list.js"),
    include_str!("page/waterfall.js"),
    include_str!("page/tables.js"),
    include_str!("page/live.js"),
    include_str!("page/main.js"),
    "})();\n",
);

/// The content of a page.
pub(crate) struct Page<'a> {
    pub(crate) service: &'a str,
    pub(crate) prices: &'a Prices,
    pub(crate) spans: &'a Spans,
    /// Whether the page receives further spans from the server that it came from.
    pub(crate) live: bool,
}

impl Page<'_> {
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        // Inserted text is not searched for placeholders.
        for piece in PAGE.split_inclusive("-->") {
            let placeholder = piece.rfind("<!--").map(|index| piece.split_at(index));
            match placeholder {
                Some((before, "<!--style-->")) => write!(out, "{before}<style>{STYLE}</style>")?,
                Some((before, "<!--script-->")) => {
                    write!(out, "{before}<script>{SCRIPT}</script>")?;
                }
                Some((before, "<!--connect-->")) => {
                    let policy = if self.live { "; connect-src 'self'" } else { "" };
                    write!(out, "{before}{policy}")?;
                }
                Some((before, "<!--data-->")) => {
                    out.write_all(before.as_bytes())?;
                    self.write_data(out)?;
                }
                _ => out.write_all(piece.as_bytes())?,
            }
        }
        Ok(())
    }

    /// Writes the data of the script.
    fn write_data(&self, out: &mut impl Write) -> io::Result<()> {
        let head = escape(&json!({
            "service": self.service,
            "written": nanos(SystemTime::now()) / 1_000_000,
            "currency": self.prices.currency(),
            "priced": !self.prices.is_empty(),
            "dropped": self.spans.dropped(),
            "live": self.live,
        }));
        write!(out, r#"<script type="application/json" id="data">{{"head":{head},"spans":["#)?;
        for (index, (_, json)) in self.spans.after(0).enumerate() {
            write!(out, "{}{json}", if index == 0 { "\n" } else { ",\n" })?;
        }
        out.write_all(b"]}</script>")
    }
}

/// Encodes a value as JSON whose strings cannot end the script element or start a comment.
pub(crate) fn escape(value: &impl Serialize) -> String {
    let mut json = Vec::with_capacity(1024);
    let mut serializer = serde_json::Serializer::with_formatter(&mut json, ScriptJson);
    // Strings and numbers in memory are always encoded, as UTF-8.
    let _ = value.serialize(&mut serializer);
    String::from_utf8(json).unwrap_or_default()
}

/// Writes the characters of markup as escapes. JSON has them in strings only.
struct ScriptJson;

impl Formatter for ScriptJson {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        mut fragment: &str,
    ) -> io::Result<()> {
        while let Some(index) = fragment.bytes().position(|byte| matches!(byte, b'<' | b'>' | b'&'))
        {
            let (before, rest) = fragment.split_at(index);
            let (markup, after) = rest.split_at(1);
            let escape: &[u8] = match markup {
                "<" => b"\\u003c",
                ">" => b"\\u003e",
                _ => b"\\u0026",
            };
            writer.write_all(before.as_bytes())?;
            writer.write_all(escape)?;
            fragment = after;
        }
        writer.write_all(fragment.as_bytes())
    }
}
