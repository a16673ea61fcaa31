//! The JSON text of a literal default, which the schema of a parameter contains.

use syn::{Expr, Lit, UnOp};

/// Returns a literal as JSON, or `None` for any other expression.
pub(super) fn json(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Group(group) => json(&group.expr),
        Expr::Paren(paren) => json(&paren.expr),
        Expr::Array(array) => {
            let elements: Option<Vec<String>> = array.elems.iter().map(json).collect();
            Some(format!("[{}]", elements?.join(",")))
        }
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            let number = json(&unary.expr)?;
            number.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("-{number}"))
        }
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(quoted(&text.value())),
            Lit::Char(text) => Some(quoted(text.value().encode_utf8(&mut [0; 4]))),
            Lit::Bool(on) => Some(on.value.to_string()),
            Lit::Int(number) => Some(number.base10_digits().to_owned()),
            Lit::Float(number) => {
                let digits = number.base10_digits();
                let zero = if digits.ends_with('.') { "0" } else { "" };
                Some(format!("{digits}{zero}"))
            }
            _ => None,
        },
        _ => None,
    }
}

fn quoted(text: &str) -> String {
    let mut json = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if u32::from(c) < 0x20 => {
                use std::fmt::Write as _;
                // Writing to a string does not fail.
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}
