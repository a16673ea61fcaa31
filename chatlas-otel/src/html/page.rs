//! The page of reports: one HTML file with its style, script and data, which needs no network.

use std::io::{self, Write};
use std::time::SystemTime;

use serde_json::{Value, json};

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

/// Escapes JSON so that its strings cannot end the script element or start a comment.
pub(crate) fn escape(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
