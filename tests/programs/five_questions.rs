//! The simulated day of the example `five_questions`: each answer names the planted cause.

use std::path::PathBuf;
use std::process::Command;

/// Returns the command of the example without inherited telemetry settings.
fn example() -> Command {
    let test = std::env::current_exe().unwrap();
    let built: PathBuf = test.parent().unwrap().with_file_name("examples").join("five_questions");
    let mut example = Command::new(built);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_")) {
        example.env_remove(name);
    }
    example
}

/// Returns the answers in the order of the questions.
fn answers() -> Vec<String> {
    let output = example().output().expect("the example is built");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{error}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let starts: Vec<usize> = ["600 ", "1. ", "2. ", "3. ", "4. ", "5. "]
        .iter()
        .map(|start| printed.find(start).unwrap_or_else(|| panic!("`{start}` in {printed}")))
        .chain([printed.len()])
        .collect();
    starts.windows(2).map(|at| printed[at[0]..at[1]].to_owned()).collect()
}

/// Returns the words of each line that is not a heading.
fn rows(answer: &str) -> Vec<Vec<&str>> {
    let lines = answer.lines().skip(3).filter(|line| !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn each_answer_names_the_planted_cause() {
    let [head, slow, dominant, errors, feedback, cost] = &answers()[..] else {
        panic!("six parts")
    };
    assert!(head.starts_with("600 conversations, 15 of them without an answer.\n"), "{head}");
    assert!(head.contains("1878 spans and 205 feedback events were exported."), "{head}");

    // 1: the users of one house wait for its archive: its calls take 360 ms, those of others 12 ms.
    let users = rows(slow);
    assert_eq!(users[0][1], "harbour", "the slowest of all: {slow}");
    assert_eq!(users.iter().filter(|row| row[1] == "garden").count(), 5, "{slow}");
    let compared = slow.split_once(" elsewhere\n").expect("a comparison").1;
    let differs: Vec<&str> = compared.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(differs[..2], ["execute_tool", "search_archive"], "{slow}");
    assert!(differs[2].parse::<f64>().unwrap() >= 360.0, "{slow}");

    // 2: model calls take longer than tools, and the archive is the slowest tool.
    let operations: Vec<&str> = dominant
        .lines()
        .filter_map(|line| line.trim_start().split_once("  ").map(|(name, _)| name))
        .collect();
    let position = |name: &str| operations.iter().position(|found| *found == name).expect(name);
    assert!(
        position("execute_tool search_archive") < position("execute_tool book_room"),
        "{dominant}"
    );
    assert!(
        position("execute_tool search_archive") < position("execute_tool room_price"),
        "{dominant}"
    );
    let calls: Vec<_> =
        rows(dominant).iter().map(|row| (row[1].to_owned(), row[2].to_owned())).collect();
    for (name, count) in [
        ("swift-1", "643"),
        ("deep-2", "296"),
        ("search_archive", "88"),
        ("book_room", "118"),
        ("room_price", "133"),
    ] {
        assert!(calls.contains(&(name.to_owned(), count.to_owned())), "{name}: {dominant}");
    }

    // 3: booked rooms end no conversation; an overloaded model in the morning does.
    let expected = [
        "31 0 2 to 23 execute_tool book_room five_questions::traffic::RoomTaken",
        "9 9 8 to 10 chat deep-2 rate_limit_exceeded",
        "4 4 0 to 22 chat swift-1 timeout",
        "2 2 7 to 21 chat deep-2 timeout",
    ];
    assert_eq!(rows(errors).iter().map(|row| row.join(" ")).collect::<Vec<_>>(), expected);

    // 4: users are dissatisfied with the booking.
    let expected = [
        "256 82 0.90 When is breakfast served on weekends?",
        "135 41 0.90 What is the price of a double room next month?",
        "119 41 0.71 Please book a room with a view for Friday.",
        "90 41 0.90 What did my company agree with you about cancellations?",
    ];
    assert_eq!(rows(feedback).iter().map(|row| row.join(" ")).collect::<Vec<_>>(), expected);

    // 5: the cost of the model calls, at prices per million tokens.
    let expected = [
        "deep-2 garden 98795 12460 0.4833",
        "deep-2 harbour 35883 4785 0.1794",
        "swift-1 garden 227176 28665 0.1141",
        "swift-1 harbour 75316 9365 0.0376",
        "total 0.8144",
    ];
    assert_eq!(rows(cost).iter().map(|row| row.join(" ")).collect::<Vec<_>>(), expected);
}

#[test]
fn existing_file_is_not_overwritten() {
    let file = std::env::temp_dir().join(format!("five-questions-kept-{}", std::process::id()));
    std::fs::write(&file, "another day").unwrap();
    let output = example().arg(&file).output().expect("the example is built");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("error: ") && error.contains(" exists; "), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "another day");
    std::fs::remove_file(&file).unwrap();
}
