//! How calls are served beyond one attempt after the other: hedged, begun early, continued, shared, repeated.

mod account;
mod compared;
mod early;
mod hedge;
mod region;
mod repeated;
mod resume;
mod shared;
mod silence;

use std::sync::Arc;

use switchboard_engine::answer::Answer;
use switchboard_engine::call::Call;
use switchboard_engine::deployment::Spec;
use switchboard_engine::gateway::{Gateway, Worker};
use switchboard_engine::service::{self, Ground};
use switchboard_wire::Dialect;

use crate::exchange::rig::{Rig, Told, spec, told};
use crate::exchange::upstream::Scripted;

/// A call and the gateway that serves it.
struct Owned {
    rig: Arc<Rig>,
    call: Call,
}

impl Ground for Owned {
    fn gateway(&self) -> &Gateway {
        &self.rig.gateway
    }

    fn worker(&self) -> &Worker {
        &self.rig.worker
    }

    fn call(&self) -> &Call {
        &self.call
    }
}

/// Serves the call with all that is wanted of it, and reads the answer to its end.
pub(crate) async fn serve(rig: &Arc<Rig>, call: &Call) -> Told {
    assert!(service::is_wanted(&rig.gateway, call));
    let ground = Owned { rig: rig.clone(), call: call.clone() };
    told(call, service::serve(Arc::new(ground)).await).await
}

/// The same, up to the answer's head.
async fn open(rig: &Arc<Rig>, call: &Call) -> Answer {
    let ground = Owned { rig: rig.clone(), call: call.clone() };
    service::serve(Arc::new(ground)).await.unwrap()
}

/// A deployment with that id, the lower the number the sooner it is tried.
fn numbered(number: u32, dialect: Dialect, at: &Scripted) -> Spec {
    Spec { id: format!("d{number}"), order: number, ..spec(dialect, at) }
}
