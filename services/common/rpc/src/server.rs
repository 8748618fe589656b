//! The answering end: a gRPC server with health, reflection, authentication, tracing and a drained shutdown; gRPC-Web and
//! plain HTTP at the same port where they are wanted.

use std::convert::Infallible;

use axum::Router;
use axum::response::IntoResponse;
use http::{HeaderValue, Request};
use imagioo_runtime::Shutdown;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::server::HealthReporter;
use tower::Service;
use tower::util::option_layer;

use crate::door::DoorLayer;
use crate::reflection::Descriptors;
use crate::web::WebLayer;
use crate::{AccessVerifier, Door, Incoming, InternalAuth, ServiceKeys, TraceLayer, trace, web};

const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Why a server could not be started or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The connection layer failed.
    #[error("the gRPC server failed")]
    Transport(#[source] tonic::transport::Error),
    /// The descriptor set is not one.
    #[error("cannot offer reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// A gRPC server whose every request passes the door `D` first.
pub struct Server<D> {
    door: D,
    routes: Routes,
    descriptors: Descriptors,
    health: HealthReporter,
    services: Vec<&'static str>,
    told: Option<Vec<&'static str>>,
    web: Option<WebDoor>,
}

/// What a server knows that browsers and HTTP clients may call.
struct WebDoor {
    /// Paths of HTTP routes, with all below them, by which they are measured.
    paths: &'static [&'static str],
    /// Where pages come from that may call; `*` is everywhere.
    origins: Vec<HeaderValue>,
}

impl Server<InternalAuth> {
    /// A server for other services: every call needs an allow-listed service token.
    ///
    /// # Errors
    /// [`ServeError::Reflection`] when the compiled-in descriptor set is damaged.
    pub fn internal(keys: ServiceKeys, verifier: AccessVerifier) -> Result<Self, ServeError> {
        Self::behind(InternalAuth::new(keys, verifier))
    }
}

impl<D: Door> Server<D> {
    /// A server without services yet, behind `door`.
    ///
    /// # Errors
    /// [`ServeError::Reflection`] when the compiled-in descriptor set is damaged.
    pub fn behind(door: D) -> Result<Self, ServeError> {
        trace::describe();
        let (health, health_service) = tonic_health::server::health_reporter();
        let descriptors = Descriptors::compiled_in().map_err(ServeError::Reflection)?;
        let routes = Routes::new(health_service);
        Ok(Self { door, routes, descriptors, health, services: Vec::new(), told: None, web: None })
    }

    /// Adds a gRPC service.
    #[must_use]
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes = self.routes.add_service(service);
        self.services.push(S::NAME);
        self
    }

    /// Tells by reflection about these services, its own or those that the door passes calls on to, and not about every
    /// service it has; without any there is no reflection.
    #[must_use]
    pub fn telling(self, services: Vec<&'static str>) -> Self {
        Self { told: Some(services), ..self }
    }

    /// Takes HTTP/1.1 and gRPC-Web calls from now on, and serves `router` beside the gRPC services, behind the same door.
    ///
    /// `paths` are what the routes begin with; pages of `origins` may call from a browser.
    #[must_use]
    pub fn add_http(
        mut self,
        router: Router,
        paths: &'static [&'static str],
        origins: Vec<HeaderValue>,
    ) -> Self {
        let services = std::mem::take(self.routes.axum_router_mut());
        *self.routes.axum_router_mut() = services.merge(router);
        self.web = Some(WebDoor { paths, origins });
        self
    }

    /// Answers until the soft shutdown, then finishes the calls it has.
    ///
    /// # Errors
    /// [`ServeError::Transport`]; [`ServeError::Reflection`] when the compiled-in descriptor set is damaged.
    pub async fn serve(self, listener: TcpListener, shutdown: &Shutdown) -> Result<(), ServeError> {
        for service in &self.services {
            self.health.set_service_status(*service, tonic_health::ServingStatus::Serving).await;
        }
        let told = self.told.as_ref().unwrap_or(&self.services);
        let routes = self.descriptors.reflect(self.routes, told).map_err(ServeError::Reflection)?;
        let soft = shutdown.clone();
        let is_web = self.web.is_some();
        let WebDoor { paths, origins } = self.web.unwrap_or(WebDoor { paths: &[], origins: Vec::new() });
        let server = tonic::transport::Server::builder()
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .accept_http1(is_web)
            .layer(TraceLayer { paths })
            // A browser asks whether it may call before it has credentials, and must be able to read a refusal.
            .layer(option_layer(web::cors(origins)))
            // Outside of the door, so that its refusals are translated, too.
            .layer(WebLayer)
            .layer(DoorLayer(self.door))
            .add_routes(routes)
            .serve_with_incoming_shutdown(Incoming::of(listener), async move { soft.requested().await });
        tokio::select! {
            ended = server => ended.map_err(ServeError::Transport),
            () = shutdown.forced() => Ok(()),
        }
    }
}
