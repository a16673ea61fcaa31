//! The guide documents everything that the library records, and its picture matches the output.

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

/// Returns the values of the constants in the file that defines all names of the conventions.
fn names() -> Vec<String> {
    let source = read("chatlas-core/src/telemetry/names.rs");
    let constants = source.lines().filter_map(|line| {
        let (_, value) = line.trim().strip_prefix("pub const ")?.split_once(": &str = \"")?;
        Some(value.trim_end_matches("\";").to_owned())
    });
    constants.collect()
}

#[test]
fn guide_documents_every_attribute_metric_event_and_error() {
    let guide = read("docs/monitor.md");
    let words = names();
    assert!(words.len() > 80, "{}", words.len());
    // The guide abbreviates names: `.top_p` after `gen_ai.request.temperature`.
    let in_short = |word: &str| {
        word.strip_prefix("gen_ai.request").is_some_and(|end| guide.contains(&format!("`{end}`")))
    };
    let missing: Vec<&String> = words
        .iter()
        // The scope's name, the schema URL and prefixes need no documentation.
        .filter(|word| *word != "chatlas" && !word.starts_with("https://") && !word.ends_with('.'))
        .filter(|word| !guide.contains(&format!("`{word}`")) && !in_short(word))
        .collect();
    assert!(missing.is_empty(), "docs/monitor.md does not mention {missing:?}");
}

/// The source files of the library below a directory, without its tests.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if is_test => {}
            Some("rs") => found.push(path),
            None if path.is_dir() => sources(&path, found),
            _ => {}
        }
    }
}

#[test]
fn names_of_the_conventions_are_defined_in_one_file() {
    let crates = ["", "chatlas-core", "chatlas-macros", "chatlas-otel", "chatlas-providers"];
    let mut files = Vec::new();
    for name in crates {
        sources(&project().join(name).join("src"), &mut files);
    }
    assert!(files.len() > 50, "{}", files.len());
    let mut literals = String::new();
    for file in files.iter().filter(|file| !file.ends_with("telemetry/names.rs")) {
        let source = fs::read_to_string(file).expect("a source file");
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (index, line) in code.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            let prefixes = ["\"gen_ai.", "\"chatlas.", "\"error.type\"", "\"server."];
            let is_name = prefixes.iter().any(|prefix| line.contains(prefix));
            // The name of a scope is not the name of an attribute.
            let is_scope = line.contains("InstrumentationScope::builder");
            if !is_comment && !is_scope && is_name {
                let _ = writeln!(literals, "{}:{}: {}", file.display(), index + 1, line.trim());
            }
        }
    }
    assert!(literals.is_empty(), "use the constants of telemetry/names.rs:\n{literals}");
}

#[test]
fn readme_matches_the_comparison_with_other_libraries() {
    let (readme, comparison) = (read("README.md"), read("docs/peers.md"));
    let table: Vec<&str> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| Chat Completions |"))
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(table.len() > 5, "{table:?}");
    for row in table {
        assert!(comparison.lines().any(|line| line == row), "{row}");
    }
}

#[test]
fn commands_of_the_performance_page_exist() {
    let page = read("docs/performance.md");
    let blocks = page.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let commands: Vec<&str> = blocks
        .flat_map(str::lines)
        .filter_map(|line| line.split(" #").next())
        .filter(|command| !command.starts_with("cd "))
        .collect();
    assert!(commands.len() > 3, "{commands:?}");
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        let source = match words[..] {
            ["cargo", "run", "--release", "-p", package, ..] => {
                let directory = package.trim_start_matches("speed-");
                assert!(read("benches/speed/Cargo.toml").contains(&format!("\"{directory}\"")));
                read(&format!("benches/speed/{directory}/src/main.rs"))
            }
            [script, ..] => read(script),
            [] => continue,
        };
        let own = command.split(" -- ").last().unwrap_or_default().split_whitespace();
        for option in own.filter(|word| word.starts_with("--")) {
            assert!(source.contains(&format!("\"{option}\"")), "{command}");
        }
    }
}

/// A parsed line of a waterfall; positions and lengths are fractions of the trace's duration.
#[derive(Debug)]
struct Row {
    /// The branches of the tree and the span's name.
    label: String,
    start: f64,
    length: f64,
    /// The time of the first chunk.
    mark: Option<f64>,
    took: String,
    tokens: String,
}

/// Returns the heading and the rows of the waterfall that the example prints.
fn waterfall() -> (String, Vec<Row>) {
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
    let mut lines = printed.lines().skip_while(|line| !line.starts_with("trace "));
    let heading = lines.next().expect("a trace is drawn");
    let heading = heading.split_once(" · ").expect("totals").1.to_owned();
    let lines: Vec<Vec<char>> = lines.map(|line| line.chars().collect()).collect();
    // The first span covers the trace: its bar is the axis.
    let axis = bar(&lines[0], 0..lines[0].len()).expect("a bar");
    (heading, lines.iter().map(|line| Row::read(line, axis)).collect())
}

impl Row {
    fn read(line: &[char], axis: (usize, usize)) -> Self {
        let (from, to) = axis;
        let to = to.min(line.len());
        let share = |columns: f64| (columns - column(from)) / column(axis.1 - from);
        let (first, last) = bar(line, from..to).expect("a bar");
        // A right half or a right eighth starts late in its column; left eighths end early.
        let start = column(first) + late(line[first]);
        let end = column(last) - early(line[last - 1]);
        let mark = (first..last).find(|&at| line[at] == '◆');
        let text = |chars: &[char]| chars.iter().collect::<String>().trim().to_owned();
        let rest = text(&line[to..]);
        let (took, tokens) = rest.split_once("  ").unwrap_or((&rest, ""));
        Self {
            label: line[..from].iter().collect::<String>().trim_end().to_owned(),
            start: share(start),
            length: share(end) - share(start),
            mark: mark.map(|at| share(column(at) + 0.5)),
            took: took.to_owned(),
            tokens: tokens.trim().to_owned(),
        }
    }

    /// Returns the class of its colour.
    fn kind(&self) -> &'static str {
        let name = self.name();
        match name.split(' ').next().unwrap_or_default() {
            "invoke_agent" => "agent",
            "chat" => "chat",
            "execute_tool" => "tool",
            "POST" => "http",
            _ => "own",
        }
    }

    fn name(&self) -> &str {
        self.label.trim_start_matches(['│', '├', '└', '─', ' '])
    }
}

/// Returns the first column of a bar, and the column after it.
fn bar(line: &[char], within: std::ops::Range<usize>) -> Option<(usize, usize)> {
    let is_bar = |at: &usize| ('\u{2580}'..='\u{259f}').contains(&line[*at]) || line[*at] == '◆';
    Some((within.clone().find(is_bar)?, within.rev().find(is_bar)? + 1))
}

/// Returns the fraction of a column before a block starts.
fn late(block: char) -> f64 {
    match block {
        '▐' => 0.5,
        '▕' => 0.875,
        _ => 0.0,
    }
}

/// Returns the fraction of a column after a block has ended.
fn early(block: char) -> f64 {
    match block {
        '▉'..='▏' => f64::from(u32::from(block) - u32::from('█')) / 8.0,
        _ => 0.0,
    }
}

fn column(at: usize) -> f64 {
    f64::from(u16::try_from(at).expect("a line is short"))
}

const STYLE: &str = "\
svg { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.page { fill: #fff; stroke: #d5dae1; } text { fill: #1c2128; white-space: pre; }
.track { fill: #f3f5f8; } .quiet { fill: #5f6975; } .mark { fill: #fff; }
.agent { fill: #7b8794; } .chat { fill: #2457d6; } .tool { fill: #12805c; }
.http { fill: #9db4ee; } .own { fill: #86c5ad; }
@media (prefers-color-scheme: dark) {
.page { fill: #15181d; stroke: #30363d; } text { fill: #e6e9ed; }
.track { fill: #1f242b; } .quiet { fill: #9aa4b0; } .mark { fill: #15181d; }
.agent { fill: #8a96a3; } .chat { fill: #6c95ff; } .tool { fill: #3fbf92; }
.http { fill: #44588f; } .own { fill: #2b6b55; }
}";

/// The width of a character, the width of the axis, and the height of a row, in pixels.
const CHARACTER: f64 = 7.8;
const AXIS: f64 = 420.0;
const ROW: f64 = 26.0;

/// Writes a text with fixed columns, whatever the font.
fn write_text(svg: &mut String, class: &str, (x, y): (f64, f64), text: &str) {
    let length = column(text.chars().count()) * CHARACTER;
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" textLength=\"{length:.1}\" \
         xml:space=\"preserve\">{text}</text>"
    );
}

/// Returns the waterfall as SVG.
fn picture(heading: &str, rows: &[Row]) -> String {
    let widest = |text: fn(&Row) -> &str| {
        let widths = rows.iter().map(|row| text(row).chars().count());
        column(widths.max().unwrap_or_default()) * CHARACTER
    };
    let axis = 20.0 + widest(|row| &row.label) + 16.0;
    let took = axis + AXIS + 14.0;
    let tokens = took + widest(|row| &row.took) + 16.0;
    let (wide, high) = (tokens + widest(|row| &row.tokens) + 20.0, 56.0 + ROW * column(rows.len()));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.0} {high}\" \
         width=\"{wide:.0}\" height=\"{high}\" role=\"img\">\n\
         <title>A trace as a waterfall</title>\n<style>\n{STYLE}\n</style>\n\
         <rect class=\"page\" x=\".5\" y=\".5\" width=\"{:.0}\" height=\"{}\" rx=\"8\"/>\n",
        wide - 1.0,
        high - 1.0,
    );
    write_text(&mut svg, "quiet", (20.0, 28.0), heading);
    for (number, row) in rows.iter().enumerate() {
        let top = 42.0 + ROW * column(number);
        let base = top + 17.0;
        write_text(&mut svg, "label", (20.0, base), &row.label);
        let (x, width) = (axis + AXIS * row.start, (AXIS * row.length).max(2.0));
        let y = top + 5.0;
        let _ = writeln!(
            svg,
            "<rect class=\"track\" x=\"{axis:.1}\" y=\"{y}\" width=\"{AXIS}\" height=\"16\" rx=\"3\"/>\n\
             <rect class=\"{}\" x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"16\" rx=\"2\"/>",
            row.kind(),
        );
        if let Some(mark) = row.mark {
            let (x, y) = (axis + AXIS * mark, top + 8.0);
            let _ = writeln!(svg, "<path class=\"mark\" d=\"M{x:.1} {y}l5 5l-5 5l-5 -5z\"/>");
        }
        let short = widest(|row| &row.took) - column(row.took.chars().count()) * CHARACTER;
        write_text(&mut svg, "quiet took", (took + short, base), &row.took);
        if !row.tokens.is_empty() {
            write_text(&mut svg, "quiet tokens", (tokens, base), &row.tokens);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Returns the texts of a class in a picture.
fn texts<'a>(svg: &'a str, class: &str) -> Vec<&'a str> {
    let begin = format!("<text class=\"{class}\"");
    let of_class = svg.lines().filter(|line| line.starts_with(&begin));
    let inner = of_class.filter_map(|line| line.strip_suffix("</text>")?.split_once('>'));
    inner.map(|(_, text)| text).collect()
}

#[test]
fn picture_in_the_guide_matches_the_example() {
    let (heading, rows) = waterfall();
    let drawn = picture(&heading, &rows);
    let path = project().join("docs/waterfall.svg");
    if std::env::var_os("CHATLAS_UPDATE_PICTURE").is_some() {
        fs::write(&path, &drawn).expect("a picture");
    }
    let kept = read("docs/waterfall.svg");
    assert_eq!(texts(&kept, "label").len(), 7, "{kept}");
    // Times differ between runs.
    for class in ["label", "quiet tokens"] {
        assert_eq!(
            texts(&kept, class),
            texts(&drawn, class),
            "update it:  CHATLAS_UPDATE_PICTURE=1 cargo test -p chatlas --test programs docs"
        );
    }
    for row in &rows {
        let (start, end) = (row.start, row.start + row.length);
        assert!(-0.01 <= start && start < end && end <= 1.01, "{row:?}");
        assert!(row.mark.is_none_or(|mark| start <= mark && mark <= end), "{row:?}");
    }
    let marked: Vec<&str> = rows.iter().filter(|row| row.mark.is_some()).map(Row::name).collect();
    assert_eq!(marked, ["chat gpt-4o", "chat gpt-4o"]);
}

#[test]
fn tests_of_the_wire_rules_exist() {
    fn collect(directory: &Path, code: &mut String) {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, code);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                code.push_str(&fs::read_to_string(&path).expect("text"));
            }
        }
    }
    let mut code = String::new();
    for directory in ["tests", "chatlas-core", "chatlas-macros", "chatlas-providers"] {
        collect(&project().join(directory), &mut code);
    }
    let mut missing = Vec::<String>::new();
    let mut checked = 0;
    for row in read("docs/wire.md").lines().filter(|line| line.starts_with("| ")) {
        let tests = row.trim_end_matches([' ', '|']).rsplit('|').next().expect("a last column");
        for name in tests.split('`').skip(1).step_by(2) {
            let name = name.rsplit("::").next().expect("a name");
            let is_file = ["", "chatlas-providers/tests"]
                .iter()
                .any(|directory| project().join(directory).join(name).is_file());
            let items = [format!("fn {name}("), format!("mod {name};")];
            if !is_file && !items.iter().any(|item| code.contains(item)) {
                missing.push(name.to_owned());
            }
            checked += 1;
        }
    }
    assert!(missing.is_empty(), "docs/wire.md names tests that do not exist: {missing:?}");
    assert!(checked > 100, "{checked}");
}
