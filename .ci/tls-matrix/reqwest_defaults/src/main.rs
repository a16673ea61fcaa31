//! A program whose own reqwest has its default features.

fn main() {
    shared::block_on(async {
        let own = || async {
            let response = reqwest::Client::new().get(shared::serve()).send().await;
            assert_eq!(response.expect("a response").text().await.expect("a body"), "ok");
            let failed = reqwest::Client::new().get("https://127.0.0.1:1").send().await;
            assert!(failed.expect_err("a closed port").is_connect());
        };
        own().await;
        shared::use_chatlas("https").await;
        own().await;
    });
}
