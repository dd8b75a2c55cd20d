//! A call and what it stands on for as long as its answer is under way.

use std::sync::Arc;

use switchboard_engine::call::Call;
use switchboard_engine::gateway::{Gateway, Worker};
use switchboard_engine::service::Ground;

use crate::app::Acceptor;

/// A call on its worker.
pub(super) struct Served {
    pub(super) acceptor: Arc<Acceptor>,
    pub(super) call: Call,
}

impl Ground for Served {
    fn gateway(&self) -> &Gateway {
        &self.acceptor.app.gateway
    }

    fn worker(&self) -> &Worker {
        &self.acceptor.worker
    }

    fn call(&self) -> &Call {
        &self.call
    }
}
