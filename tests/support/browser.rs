//! Headless Chromium, for tests of pages. If `CHATLAS_SCREENSHOTS` names a directory, screenshots are
//! written to it.

#![allow(unreachable_pub)] // a module of several test binaries

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::Value;

/// Returns the browser, or `None` where none is installed. Panics if `CI=true`.
pub fn chromium() -> Option<&'static str> {
    let there =
        |name: &&str| Command::new(name).arg("--version").stdout(Stdio::null()).status().is_ok();
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(there);
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "install Chromium");
        eprintln!("skipped: Chromium is not installed");
    }
    found
}

pub fn browse(page: &str, more: &[&str]) -> String {
    let browser = chromium().expect("checked before");
    let profile = scratch(&format!("profile-{:?}", std::thread::current().id()));
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--hide-scrollbars", "--virtual-time-budget=20000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(more)
        .arg(page)
        .output()
        .expect("Chromium runs");
    let _ = std::fs::remove_dir_all(profile);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a page is text")
}

pub fn dom(page: &Path, more: &str) -> String {
    browse(&format!("file://{}{more}", page.display()), &["--dump-dom"])
}

pub fn picture(page: &Path, more: &str, name: &str) {
    let Ok(directory) = std::env::var("CHATLAS_SCREENSHOTS") else { return };
    let file = Path::new(&directory).join(name);
    let page = format!("file://{}{more}", page.display());
    browse(&page, &[&format!("--screenshot={}", file.display()), "--window-size=1440,900"]);
}

pub fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

/// Opens a page of a file with a script, and returns the value of the script.
pub fn evaluate(page: &Path, fragment: &str, script: &str) -> Value {
    let script = format!(
        "<script>document.body.dataset.result = btoa(unescape(encodeURIComponent(JSON.stringify(\
         (() => {{ {script} }})()))))</script></body>"
    );
    let copy = page.with_extension("acts.html");
    let text = std::fs::read_to_string(page).expect("the page exists");
    std::fs::write(&copy, text.replace("</body>", &script)).expect("the directory is writable");
    let shown = dom(&copy, fragment);
    std::fs::remove_file(copy).expect("the page exists");
    let result = shown.split("data-result=\"").nth(1).and_then(|rest| rest.split('"').next());
    let result = result.unwrap_or_else(|| panic!("the script failed:\n{shown}"));
    let json = base64::engine::general_purpose::STANDARD.decode(result).expect("it is Base64");
    serde_json::from_slice(&json).expect("it is JSON")
}
