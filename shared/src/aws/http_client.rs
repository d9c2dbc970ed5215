//! The HTTP client under the AWS SDK: HTTP/1.1 over pooled connections (hyper), TLS by rustls.
//!
//! aws-smithy-http-client does the same, but also brings HTTP/2, which neither DynamoDB nor KMS
//! speaks, proxies and a second pool: decision 21.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{self, Client, connect};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lambda_http::http::Uri;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tower_service::Service;

use crate::platform::config::{ConfigError, Env};

/// The root certificates of AWS's services ("Amazon Trust Services: certification authorities").
/// Reading the more than one hundred of the system would take most of a start, and no request goes
/// to their servers.
const ROOTS: &[u8] = include_bytes!("amazon-trust-services.pem");

/// The timeout for opening a connection, including the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// An HTTP client for the SDK. Clones share their connections.
#[derive(Clone, Debug)]
pub struct HttpsClient {
    client: Client<ConnectWithin<HttpsConnector<connect::HttpConnector>>, SdkBody>,
}

impl HttpsClient {
    /// Returns a client that trusts the root certificates of the file `SSL_CERT_FILE` (PEM), or
    /// those of Amazon Trust Services if that variable is not set.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or holds no root certificate.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Self::connecting_within(env, CONNECT_TIMEOUT)
    }

    fn of(trusted: Option<&str>, limit: Duration) -> Result<Self, ConfigError> {
        let Some(path) = trusted else {
            return Self::trusting(ROOTS, limit).map_err(|error| no_tls(&error));
        };
        let refused = |cause: &dyn Error| {
            ConfigError::new(format!(
                "SSL_CERT_FILE is \"{path}\", which cannot be used ({cause}); set it to the path of \
                 root certificates in PEM"
            ))
        };
        let pem = std::fs::read(path).map_err(|error| refused(&error))?;
        Self::trusting(&pem, limit).map_err(|error| refused(error.as_ref()))
    }

    /// Returns the client of [`HttpsClient::from_env`] that takes at most `limit` to open a
    /// connection: a machine outside AWS may be far from the region.
    ///
    /// # Errors
    ///
    /// Returns the same errors.
    pub fn connecting_within(env: &Env<'_>, limit: Duration) -> Result<Self, ConfigError> {
        let trusted = env.optional("SSL_CERT_FILE");
        Self::of(trusted.as_deref(), limit)
    }

    /// Returns a client that trusts only the roots of Amazon Trust Services.
    ///
    /// # Errors
    ///
    /// Returns an error if TLS cannot be set up.
    pub fn for_amazon() -> Result<Self, ConfigError> {
        Self::of(None, CONNECT_TIMEOUT)
    }

    /// Returns a client that trusts those of these root certificates that can be parsed, and no
    /// others.
    fn trusting(pem: &[u8], limit: Duration) -> Result<Self, BoxError> {
        let mut roots = RootCertStore::empty();
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        // The bundles of systems contain old certificates that cannot be parsed.
        roots.add_parsable_certificates(certificates?);
        if roots.is_empty() {
            return Err("there is no certificate in it".into());
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = connect::HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(ConnectWithin(https, limit));
        Ok(Self { client })
    }
}

impl HttpClient for HttpsClient {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for HttpsClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        // Lets the SDK close a connection on which a request failed, so that its retry uses
        // another.
        let captured = capture_connection(&mut request);
        if let Some(for_sdk) = request.extensions().get::<CaptureSmithyConnection>() {
            for_sdk.set_connection_retriever(move || {
                captured.connection_metadata().as_ref()?;
                let captured = captured.clone();
                let metadata = ConnectionMetadata::builder().proxied(false);
                let metadata = metadata.poison_fn(move || {
                    if let Some(connection) = captured.connection_metadata().as_ref() {
                        connection.poison();
                    }
                });
                Some(metadata.build())
            });
        }
        let answer = self.client.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(connector_error)?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Classifies a failed request by whether the SDK may retry it. It retries `timeout`, `io` and
/// `TransientError`.
fn connector_error(error: legacy::Error) -> ConnectorError {
    if source::<Elapsed>(&error).is_some() {
        return ConnectorError::timeout(error.into());
    }
    let is_io = error.is_connect() || source::<std::io::Error>(&error).is_some();
    match source::<hyper::Error>(&error) {
        Some(cause) if cause.is_user() => ConnectorError::user(error.into()),
        Some(cause) if cause.is_closed() || cause.is_canceled() => ConnectorError::io(error.into()),
        // The connection ended before the response was complete.
        Some(cause) if cause.is_incomplete_message() => {
            ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
        }
        _ if is_io => ConnectorError::io(error.into()),
        _ => ConnectorError::other(error.into(), None),
    }
}

/// Returns the first error of type `E` among an error and its sources.
fn source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    match error.downcast_ref() {
        Some(found) => Some(found),
        None => source(error.source()?),
    }
}

fn no_tls(cause: &BoxError) -> ConfigError {
    ConfigError::new(format!("TLS cannot be set up: {cause}"))
}

/// Connects within a time or fails.
#[derive(Clone, Debug)]
struct ConnectWithin<C>(C, Duration);

impl<C> Service<Uri> for ConnectWithin<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
    C::Response: 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, limit) = (self.0.call(uri), self.1);
        Box::pin(async move { timeout(limit, connecting).await? })
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use http_body_util::BodyExt as _;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::platform::hex;

    #[test]
    fn the_roots_are_those_that_amazon_publishes() {
        let roots = pem::parse_many(ROOTS).unwrap();
        let fingerprints = roots.iter().map(|root| {
            assert_eq!(root.tag(), "CERTIFICATE");
            let hash = digest(&SHA256, root.contents());
            hex(hash.as_ref())
        });
        assert_eq!(
            fingerprints.collect::<Vec<String>>(),
            [
                "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
                "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
                "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
                "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
                "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
            ]
        );
    }

    /// Listens on a free port, and passes the first connection to `serve`.
    async fn server<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> u16
    where
        F: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
        port
    }

    /// Reads a request, up to the end of its head, and answers it.
    async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        stream.write_all(answer).await.unwrap();
    }

    async fn get(client: &HttpsClient, url: String) -> Result<u16, ConnectorError> {
        let mut request = HttpRequest::empty();
        request.set_uri(url).unwrap();
        let answer = client.call(request).await?;
        let status = answer.status().as_u16();
        // A connection can be reused after the body has been read.
        answer.into_body().collect().await.unwrap();
        Ok(status)
    }

    #[tokio::test]
    async fn a_certificate_is_trusted_if_its_root_is_named_and_by_no_other_client() {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let serve = |stream| async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                answer(&mut stream).await;
            }
        };
        let url = format!("https://127.0.0.1:{}/", server(serve.clone()).await);
        let named = HttpsClient::trusting(cert.pem().as_bytes(), CONNECT_TIMEOUT).unwrap();
        assert_eq!(get(&named, url).await.unwrap(), 200);

        let url = format!("https://127.0.0.1:{}/", server(serve).await);
        let error = get(&HttpsClient::for_amazon().unwrap(), url).await;
        let error = error.unwrap_err();
        assert!(error.is_io(), "{error:?}");
        assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
    }

    #[tokio::test]
    async fn requests_share_a_connection() {
        let port = server(|mut stream| async move {
            answer(&mut stream).await;
            answer(&mut stream).await;
        });
        let url = format!("http://127.0.0.1:{}/", port.await);
        let client = HttpsClient::for_amazon().unwrap();
        for client in [client.clone(), client] {
            // A second connection would wait for ever: the server accepts only one.
            assert_eq!(get(&client, url.clone()).await.unwrap(), 200);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_does_not_go_on_ends_in_time() {
        let port = server(|stream| async move {
            std::future::pending::<()>().await;
            drop(stream);
        });
        let url = format!("https://127.0.0.1:{}/", port.await);
        let began = Instant::now();
        let error = get(&HttpsClient::for_amazon().unwrap(), url).await;
        assert!(error.unwrap_err().is_timeout());
        assert!((CONNECT_TIMEOUT..CONNECT_TIMEOUT * 2).contains(&began.elapsed()));
    }

    #[tokio::test]
    async fn the_sdk_may_try_again_if_a_connection_is_refused_or_ends_early() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        let client = HttpsClient::for_amazon().unwrap();
        let error = get(&client, format!("http://127.0.0.1:{port}/")).await;
        assert!(error.unwrap_err().is_io());

        let port = server(|mut stream| async move {
            stream.read_u8().await.unwrap();
            stream.write_all(b"HTTP/1.1 200").await.unwrap();
        });
        let url = format!("http://127.0.0.1:{}/", port.await);
        let error = get(&client, url).await.unwrap_err();
        let is_transient = error.as_other() == Some(ErrorKind::TransientError);
        assert!(error.is_io() || is_transient, "{error:?}");
    }

    #[test]
    fn a_file_of_roots_that_is_of_no_use_is_one_sentence() {
        let of = |path: &'static str| {
            let lookup = |name: &str| (name == "SSL_CERT_FILE").then(|| path.to_owned());
            HttpsClient::from_env(&Env::new(&lookup))
                .unwrap_err()
                .to_string()
        };
        let missing = of("/there/is/no/such/file.pem");
        assert!(missing.starts_with("SSL_CERT_FILE is \"/there/is/no/such/file.pem\""));
        assert!(missing.ends_with("set it to the path of root certificates in PEM"));
        let other = of(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        assert!(other.contains("there is no certificate in it"), "{other}");
    }

    #[test]
    fn a_certificate_that_cannot_be_read_does_not_spoil_the_others() {
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let bundle = [odd.as_bytes(), ROOTS].concat();
        assert!(HttpsClient::trusting(&bundle, CONNECT_TIMEOUT).is_ok());
        assert!(HttpsClient::trusting(odd.as_bytes(), CONNECT_TIMEOUT).is_err());
    }
}
