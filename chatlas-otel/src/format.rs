//! Formats text, durations and amounts of money for people.

use std::fmt::Display;
use std::time::Duration;

/// Returns at most `max` bytes of the text, cut at the boundary of a character.
pub(crate) fn truncate(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Replaces control characters, which a terminal would interpret, and writes invisible characters as
/// escapes: they would change the order of a line, break it, or hide a difference.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            // Soft hyphen, marks of direction, zero-width characters, line and paragraph separators,
            // embeddings, isolates, invisible operators, byte order mark, annotations, tags.
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => {
                out.extend(c.escape_unicode());
            }
            _ => out.push(c),
        }
    }
    out
}

/// Pads or shortens the text to exactly `width` columns.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Wraps a line at `width` columns, between words where possible.
pub(crate) fn wrap(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in line.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if !current.is_empty() && current.chars().count() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        current.extend(word);
    }
    lines.push(current);
    lines
}

/// Formats a count with a noun, `1 span` or `2 spans`.
pub(crate) fn count<N: Copy + Display + From<u8> + PartialEq>(count: N, noun: &str) -> String {
    if count == N::from(1) { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Formats a duration with the unit that suits its size.
pub(crate) fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", duration.as_millis()),
        1_000_000..60_000_000 => format!("{:.2} s", duration.as_secs_f64()),
        _ => format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}

/// Formats a cost with at least two significant digits.
pub(crate) fn money(cost: f64, currency: &str) -> String {
    let digits = match cost {
        0.995.. => 2,
        0.0995.. => 3,
        0.00995.. => 4,
        0.000_995.. => 5,
        _ => 6,
    };
    let space = if currency.chars().count() > 1 { " " } else { "" };
    format!("{currency}{space}{cost:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_truncated_at_the_boundary_of_a_character() {
        assert_eq!(truncate("äöü", 3), "ä");
        assert_eq!(truncate("äöü", 4), "äö");
        assert_eq!(truncate("ab", 9), "ab");
    }

    #[test]
    fn invisible_characters_are_escapes() {
        assert_eq!(
            printable("a\u{202e}b\u{200b}c\u{2028}d\u{feff}"),
            "a\\u{202e}b\\u{200b}c\\u{2028}d\\u{feff}"
        );
        assert_eq!(printable("\u{1b}[31m ä 漢"), "\u{fffd}[31m ä 漢");
    }

    #[test]
    fn durations_have_the_unit_that_suits_their_size() {
        for (micros, expected) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1 ms"),
            (999_999, "999 ms"),
            (1_500_000, "1.50 s"),
            (125_000_000, "2 min 5 s"),
        ] {
            assert_eq!(duration(Duration::from_micros(micros)), expected);
        }
    }

    #[test]
    fn costs_have_at_least_two_significant_digits() {
        assert_eq!(money(12.345, "EUR"), "EUR 12.35");
        assert_eq!(money(0.0004, "$"), "$0.000400");
    }
}
