//! All credentials that the AWS SDK knows to look for, by its own crate, over the HTTP client that
//! the rest of this library uses.

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_types::region::Region;
use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::Client;

/// The chain, as the environment and the shared files have it.
pub(super) async fn provider(
    region: Option<&str>,
    profile: Option<&str>,
) -> Result<SharedCredentialsProvider, ProviderError> {
    crate::http::prepare_tls();
    let client = Client::builder().build().map_err(|error| {
        let why = error.without_url();
        let message = format!("the HTTP client for AWS credentials could not be made: {why}");
        ProviderError::new(ProviderErrorKind::Other, message)
    })?;
    let connector = SharedHttpConnector::new(Connector(client));
    let config =
        ProviderConfig::default().with_http_client(http_client_fn(move |_, _| connector.clone()));
    let mut chain = DefaultCredentialsChain::builder().configure(config);
    chain.set_region(region.map(|region| Region::new(region.to_owned())));
    if let Some(profile) = profile {
        chain = chain.profile_name(profile);
    }
    Ok(SharedCredentialsProvider::new(chain.build().await))
}

/// Sends what the SDK asks with the client of this library.
#[derive(Debug)]
struct Connector(Client);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { send(&client, request).await })
    }
}

async fn send(client: &Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let request = request.map(|body| body.bytes().map(<[u8]>::to_vec).unwrap_or_default());
    let request =
        reqwest::Request::try_from(request).map_err(|error| ConnectorError::user(error.into()))?;
    let failed = |error: reqwest::Error| {
        let timeout = error.is_timeout();
        let error = error.into();
        if timeout { ConnectorError::timeout(error) } else { ConnectorError::io(error) }
    };
    let response = client.execute(request).await.map_err(failed)?;
    let status = response.status().as_u16().try_into();
    let status = status.map_err(|error| ConnectorError::user(Box::new(error)))?;
    let headers = response.headers().clone();
    let body = response.bytes().await.map_err(failed)?;
    let mut answer = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in &headers {
        if let Ok(value) = value.to_str() {
            answer.headers_mut().append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(answer)
}
