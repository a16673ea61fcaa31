//! A short, deterministic run of the fuzzer's harness (`fuzz/`) over its seeds and mutations of them.
//! The seeds are generated from the table of protocols.

#[path = "../fuzz/src/capture.rs"]
mod capture;
#[cfg(feature = "bedrock")]
#[path = "support/frames.rs"]
mod frames;
#[path = "support/history.rs"]
mod history;
#[path = "support/protocols.rs"]
mod protocols;
#[path = "../fuzz/src/reply.rs"]
mod reply;
#[path = "support/seeds.rs"]
mod seeds;
#[path = "support/server.rs"]
mod server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use capture::capture;
use fastrand::Rng;
use protocols::PROTOCOLS;
use reply::reply;
use seeds::seeds;
use serde_json::json;

/// The number of mutations of each seed.
const MUTATIONS: usize = 100;
/// The maximum time for one input.
const MAX_TIME: Duration = Duration::from_secs(1);
/// The number of mutations of each seed of captured content, which is larger.
const MUTATIONS_OF_CONTENT: usize = 40;

fn capture_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let deep = (0..40).fold(json!("x"), |inner, _| json!({ "a": [inner, "long".repeat(30)] }));
    let many = json!((0..500).map(|n| json!({ "type": "text", "content": n })).collect::<Vec<_>>());
    [
        ("text", "Will it rain in Tokyo?".to_owned()),
        ("escapes", "\u{0}\"\\\n".repeat(300)),
        ("umlauts", "äöü€😀".repeat(200)),
        ("deep", deep.to_string()),
        ("many", many.to_string()),
    ]
    .map(|(name, text)| (name, [vec![0, 4], text.into_bytes()].concat()))
    .to_vec()
}

/// Returns a mutation of the seed.
fn mutated(seed: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.usize(1..6) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.usize(0..bytes.len());
        match rng.u8(0..6) {
            0 => bytes[at] = rng.u8(..),
            1 => bytes[at] ^= 1 << rng.u8(0..8),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, *rng.choice(b"\n\r:{}[]\",\\\0\xff0e-").expect("one")),
            4 => {
                let end = (at + rng.usize(0..40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = rng.usize(0..bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                let end = (at + rng.usize(0..20)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
    bytes
}

fn run(seeds: &[(&'static str, Vec<u8>)], mutations: usize, harness: impl Fn(&[u8])) {
    let mut rng = Rng::with_seed(7);
    let timed = |bytes: &[u8]| {
        let begin = Instant::now();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| harness(bytes)));
        (result.is_ok(), begin.elapsed())
    };
    for (name, seed) in seeds {
        for number in 0..=mutations {
            let bytes = if number == 0 { seed.clone() } else { mutated(seed, &mut rng) };
            let (is_ok, time) = timed(&bytes);
            assert!(is_ok, "{name}, mutation {number}: {}", bytes.escape_ascii());
            // The machine may have been busy the first time.
            let is_fast = time < MAX_TIME || timed(&bytes).1 < MAX_TIME;
            assert!(is_fast, "{name}, mutation {number}, {time:?}: {}", bytes.escape_ascii());
        }
    }
}

#[test]
fn mutated_replies_never_panic() {
    for protocol in PROTOCOLS {
        run(&seeds(protocol), MUTATIONS, |bytes| reply(protocol, bytes));
    }
}

#[test]
fn captured_content_is_valid_json_within_its_limit() {
    run(&capture_seeds(), MUTATIONS_OF_CONTENT, capture);
}

/// `UPDATE_SEEDS=1` writes the files.
#[test]
fn stored_seeds_match_the_table() {
    let of_protocols = PROTOCOLS.iter().map(|protocol| (protocol.target, seeds(protocol)));
    for (target, seeds) in of_protocols.chain([("capture", capture_seeds())]) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
        for (name, seed) in seeds {
            let path = folder.join(name);
            if std::env::var_os("UPDATE_SEEDS").is_some() {
                std::fs::create_dir_all(&folder).expect("a folder");
                std::fs::write(&path, &seed).expect("a seed");
            }
            let stored = std::fs::read(&path).unwrap_or_default();
            assert_eq!(stored, seed, "{}: run this with UPDATE_SEEDS=1", path.display());
        }
    }
}
