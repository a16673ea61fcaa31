//! The session example: two runs of the program continue one conversation.

use crate::support::programs::{example, run};

#[test]
fn second_run_continues_the_conversation_of_the_first() {
    let folder = std::env::temp_dir().join(format!("chatlas-example-{}", std::process::id()));
    for number in [1, 2] {
        let (output, out, err) = run(example("session").arg(&folder));
        assert!(output.status.success(), "{err}");
        assert_eq!(out, format!("This is your prompt number {number}.\n"));
        assert_eq!(err, "");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
