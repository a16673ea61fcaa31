//! A program whose own reqwest has no TLS.

fn main() {
    shared::block_on(async {
        let own = || async {
            let response = reqwest::Client::new().get(shared::serve()).send().await;
            assert_eq!(response.expect("a response").text().await.expect("a body"), "ok");
        };
        own().await;
        shared::use_chatlas("https").await;
        own().await;
    });
}
