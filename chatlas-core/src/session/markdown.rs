//! Writes a conversation as Markdown.

use super::Session;
use super::export::{Block, ExportOptions, sections, title};

impl Session {
    /// Returns the conversation as Markdown. Texts are included unchanged, because models write
    /// Markdown; tool calls, results and thinking are code blocks.
    pub fn to_markdown(&self, options: ExportOptions) -> String {
        let mut out = format!("# {}\n", one_line(title(self)));
        for section in sections(self, options) {
            out.extend(["\n## ", section.heading, "\n"]);
            for block in section.blocks {
                match block {
                    Block::Text(text) => out.extend(["\n", text.trim_end(), "\n"]),
                    Block::Verbatim { label, text } => {
                        out.extend(["\n**", &one_line(&label), "**\n"]);
                        push_code(&mut out, &text);
                    }
                }
            }
        }
        out
    }
}

/// Adds a code block. The fence is longer than each run of backticks in the text, so that the text
/// cannot end the block.
fn push_code(out: &mut String, text: &str) {
    if text.is_empty() {
        return;
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    out.extend(["\n", &fence, "\n", text.trim_end_matches('\n'), "\n", &fence, "\n"]);
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
