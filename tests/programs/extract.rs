//! The extract example: partial values, a rejected answer, and the value.

use crate::support::programs::{example, run};

#[test]
fn partial_recipes_are_shown_before_the_recipe() {
    let (output, out, err) = run(&mut example("extract"));
    assert!(output.status.success(), "{err}");
    let lines: Vec<&str> = out.lines().collect();
    let retry = lines.iter().position(|line| *line == "once more").unwrap();
    assert_eq!(lines[retry - 1], "Bread: []");
    assert!(lines[retry..].contains(&r#"Bread: ["Knead.", "Wait."]"#), "{out}");
    assert_eq!(lines.last(), Some(&"Bread, 90 minutes, 3 steps"));
}
