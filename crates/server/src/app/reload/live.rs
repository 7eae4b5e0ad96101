//! The configuration in use, which can be replaced while the server runs.
//!
//! Configuration, policy and routes are one value, replaced in one step. A request takes its routes
//! once, at its start, and with them the configuration that they were built from; so it sees one
//! configuration from start to end.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use axum::Router;
use config::Config;

use crate::http::guard::Policy;
use crate::http::listener::{InUse, Port};
use crate::http::{self, Services};

/// A handle on the configuration in use; clones share it.
#[derive(Debug, Clone)]
pub struct Live(Arc<Inner>);

/// A handle that does not delay shutdown: it holds no connection's [`Alive`](http::listener::Alive).
#[derive(Debug, Clone)]
pub struct WeakLive(Weak<Inner>);

#[derive(Debug)]
struct Inner {
    services: Services,
    current: ArcSwap<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<Config>,
    policy: Arc<Policy>,
    public: Router,
    metrics: Router,
}

impl Current {
    fn new(services: &Services, config: Config, policy: Policy) -> Self {
        let (config, policy) = (Arc::new(config), Arc::new(policy));
        let public = http::router(services, &config, &policy);
        let metrics = http::metrics::router(services, &config, &policy);
        Self { config, policy, public, metrics }
    }
}

impl Live {
    /// Begins with a configuration and the policy made of it.
    #[must_use]
    pub fn new(services: Services, config: Config, policy: Policy) -> Self {
        let current = ArcSwap::from_pointee(Current::new(&services, config, policy));
        Self(Arc::new(Inner { services, current }))
    }

    /// Returns the configuration at this moment. Two calls may return two configurations.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.0.current.load().config)
    }

    /// Returns the routes and the policy in use, for a listener. They keep this handle.
    #[must_use]
    pub fn in_use(&self) -> InUse {
        let (for_router, for_policy) = (Arc::clone(&self.0), Arc::clone(&self.0));
        InUse {
            router: Arc::new(move |port| {
                let current = for_router.current.load();
                match port {
                    Port::Public => current.public.clone(),
                    Port::Metrics => current.metrics.clone(),
                }
            }),
            policy: Arc::new(move || Arc::clone(&for_policy.current.load().policy)),
        }
    }

    /// Replaces the configuration, with the policy made of it, for requests that begin from now on.
    pub fn replace(&self, config: Config, policy: Policy) {
        self.0.current.store(Arc::new(Current::new(&self.0.services, config, policy)));
    }

    /// Returns a handle that can outlive the server.
    #[must_use]
    pub fn downgrade(&self) -> WeakLive {
        WeakLive(Arc::downgrade(&self.0))
    }
}

impl WeakLive {
    /// Returns the handle, while the server runs.
    #[must_use]
    pub fn upgrade(&self) -> Option<Live> {
        self.0.upgrade().map(Live)
    }
}
