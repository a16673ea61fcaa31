//! Writes a conversation as one self-contained HTML page.

use super::Session;
use super::export::{Block, ExportOptions, sections, title};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;\
padding:0 1rem}h2{font-size:1rem;margin:1.5rem 0 .25rem}.text,pre{white-space:pre-wrap;\
overflow-wrap:anywhere}pre{background:#8882;padding:.5rem;margin:.25rem 0}";

impl Session {
    /// Returns the conversation as a self-contained HTML page. All contents are escaped and shown as
    /// plain text: the page has no scripts and no links, and a policy that permits no others.
    pub fn to_html(&self, options: ExportOptions) -> String {
        let title = escaped(title(self));
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        );
        for section in sections(self, options) {
            out.extend(["<section>\n<h2>", section.heading, "</h2>\n"]);
            for block in section.blocks {
                match block {
                    Block::Text(text) => {
                        out.extend(["<div class=\"text\">", &escaped(&text), "</div>\n"]);
                    }
                    Block::Verbatim { label, text } => {
                        let (label, text) = (escaped(&label), escaped(&text));
                        out.extend(["<details open><summary>", &label, "</summary><pre>"]);
                        out.extend([&text, "</pre></details>\n"]);
                    }
                }
            }
            out.push_str("</section>\n");
        }
        out.push_str("</body>\n</html>\n");
        out
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::content::{Content, Thinking, ToolOutcome, ToolRequest, ToolResult};
    use crate::turn::{AssistantTurn, Turn, UserTurn};
    use serde_json::json;

    const HOSTILE: &str = "</pre><script>alert('x')</script>\n```\n# not a heading";

    fn session() -> Session {
        let result = ToolOutcome::Value(json!(HOSTILE));
        let turns = [
            Turn::user(HOSTILE),
            Turn::from(AssistantTurn::new([
                Content::Thinking(Thinking::new("Hm")),
                Content::ToolRequest(ToolRequest::new("1", "look", json!({"at": "x"}))),
            ])),
            Turn::from(UserTurn::new([Content::ToolResult(ToolResult::new("1", "look", result))])),
            Turn::assistant("Done"),
        ];
        let mut session = Session::new();
        session.title = Some("<b>Trip</b>".to_owned());
        session.system_prompt = Some("Be brief.".to_owned());
        session.turns = turns.into_iter().map(Arc::new).collect();
        session
    }

    fn all() -> ExportOptions {
        ExportOptions::new().with_system_prompt(true).with_thinking(true).with_tools(true)
    }

    #[test]
    fn html_escapes_every_content() {
        let html = session().to_html(all());
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert_eq!(html.matches("&lt;script&gt;").count(), 2, "{html}");
        assert_eq!(html.matches("</pre>").count(), 3, "{html}");
    }

    #[test]
    fn markdown_code_blocks_are_not_ended_by_their_text() {
        let markdown = session().to_markdown(all());
        assert!(markdown.contains("\n````\n</pre><script>"), "{markdown}");
        assert!(markdown.starts_with("# <b>Trip</b>\n\n## System prompt\n\nBe brief.\n"));
    }

    #[test]
    fn default_export_has_texts_only() {
        for text in
            [session().to_markdown(ExportOptions::new()), session().to_html(ExportOptions::new())]
        {
            assert!(text.contains("Done"), "{text}");
            for absent in ["Be brief.", "Hm", "look"] {
                assert!(!text.contains(absent), "{absent}: {text}");
            }
        }
    }
}
