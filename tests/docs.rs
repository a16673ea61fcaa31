//! The guide tells of all that the library writes, and its picture is what the library draws.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).expect("a file of the project")
}

/// The texts of the constants in the file that holds every word of the conventions.
fn words() -> Vec<String> {
    let source = read("chatlas-core/src/telemetry/names.rs");
    let constants = source.lines().filter_map(|line| {
        let (_, value) = line.trim().strip_prefix("pub const ")?.split_once(": &str = \"")?;
        Some(value.trim_end_matches("\";").to_owned())
    });
    constants.collect()
}

#[test]
fn the_guide_names_every_attribute_metric_and_event() {
    let guide = read("docs/monitor.md");
    let words = words();
    assert!(words.len() > 80, "{}", words.len());
    // What the guide has in a shorter form: `.top_p` after `gen_ai.request.temperature`.
    let in_short = |word: &str| {
        word.strip_prefix("gen_ai.request").is_some_and(|end| guide.contains(&format!("`{end}`")))
    };
    let missing: Vec<&String> = words
        .iter()
        .filter(|word| word.starts_with("gen_ai.") || word.starts_with("chatlas."))
        .filter(|word| !guide.contains(&format!("`{word}`")) && !in_short(word))
        .collect();
    assert!(missing.is_empty(), "docs/monitor.md is silent of {missing:?}");
}

/// The waterfall that the worked example draws, line by line.
fn waterfall() -> Vec<String> {
    let test = std::env::current_exe().expect("a path");
    let folder: PathBuf = test.parent().expect("a folder").with_file_name("examples");
    let mut example = Command::new(folder.join("travel_assistant"));
    for (name, _) in std::env::vars().filter(|(name, _)| {
        name.starts_with("OTEL_") || name.starts_with("OPENAI_") || name == "COLUMNS"
    }) {
        example.env_remove(name);
    }
    let output = example.output().expect("the example is built");
    let printed = String::from_utf8(output.stdout).expect("text");
    let lines = printed.lines().skip_while(|line| !line.starts_with("invoke_agent"));
    lines.take_while(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// Text as a picture.
fn picture(lines: &[String]) -> String {
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let (wide, high) = (width * 8 + 32, lines.len() * 20 + 24);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" role=\"img\">\n\
         <style>svg {{ font: 13px ui-monospace, monospace; }} \
         .page {{ fill: #fff; }} text {{ fill: #1b1f24; white-space: pre; }} \
         @media (prefers-color-scheme: dark) {{ .page {{ fill: #16191d; }} text {{ fill: #e6e8ea; }} }}</style>\n\
         <rect class=\"page\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let line = line.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            svg,
            "<text x=\"16\" y=\"{}\" xml:space=\"preserve\" textLength=\"{}\">{line}</text>",
            number * 20 + 28,
            line.chars().count() * 8,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// What stays the same from run to run: the tree and the tokens, without bars and times.
fn facts(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| {
        line.contains("chat ") || line.contains("POST") || {
            line.contains("invoke_agent")
                || line.contains("fetch_forecast")
                || line.contains("tool ")
        }
    });
    let plain = |line: &str| {
        let line = line.split_once("preserve").map_or(line, |(_, rest)| rest);
        let name = line.split(['█', '▏', '▐', '▌', '▍', '▉', '▊', '▋', '▎', '▕', '◆', '┃']).next();
        let name = name.unwrap_or_default().split('>').next_back().unwrap_or_default().trim();
        let tokens = line.split("ms").last().and_then(|rest| rest.split(" s ").last());
        let tokens = tokens.filter(|t| t.contains(" in ")).map(|t| t.split('<').next());
        format!("{name} {}", tokens.flatten().unwrap_or_default().trim())
    };
    lines.map(plain).collect()
}

#[test]
fn the_picture_in_the_guide_is_what_the_example_draws() {
    let drawn = picture(&waterfall());
    let path = project().join("docs/waterfall.svg");
    if std::env::var_os("CHATLAS_UPDATE_PICTURE").is_some() {
        fs::write(&path, &drawn).expect("a picture");
    }
    let kept = read("docs/waterfall.svg");
    assert_eq!(facts(&kept).len(), 7, "{kept}");
    assert_eq!(
        facts(&kept),
        facts(&drawn),
        "draw it anew: CHATLAS_UPDATE_PICTURE=1 cargo test --test docs"
    );
}
