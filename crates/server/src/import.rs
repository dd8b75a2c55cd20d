//! Taking over what another gateway's database knows.
//!
//! A table is read whole and its rows become objects of ours. What is there already is left as it is, unless it is to be replaced;
//! what cannot be taken is told. Nothing is written before everything has been read.

mod litellm;
mod salt;
mod table;

use std::collections::BTreeMap;

use switchboard_engine::terms::{Calendar, NanoUsd};
use switchboard_store::desk::Author;
use switchboard_store::foreign::Foreign;
use switchboard_store::ledger::{Balance, carry_blocking};
use switchboard_store::object::{Model, Object};
use switchboard_store::vault::Vault;
use switchboard_store::{Desk, Store, StoreError, micros};

use crate::auth::mint::Pepper;
use crate::live::seal;
use table::Taken;

/// What an import does with what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    /// It stays.
    Stays,
    /// It is replaced.
    Replaced,
}

/// Where things go.
#[derive(Debug)]
pub struct Target<'a> {
    /// The database.
    pub store: &'a Store,
    /// What secrets are sealed with.
    pub vault: &'a Vault,
}

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    taken: Taken,
    present: Present,
}

/// What was done, or would be.
#[derive(Debug, Default)]
pub struct Report {
    /// By kind: how many are new, changed, and left as they are.
    pub counts: BTreeMap<&'static str, [usize; 3]>,
    /// Accounts whose spend is brought in.
    pub balances: usize,
    /// All of it together, for the keys.
    pub spent: NanoUsd,
    /// What is not taken, and why.
    pub left: Vec<String>,
}

/// An import cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// One of the two databases.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Secrets cannot be sealed.
    #[error(transparent)]
    Vault(#[from] switchboard_store::vault::VaultError),
    /// That is no database of the other gateway's.
    #[error("there is no table `{0}` in that schema: is it LiteLLM's database?")]
    NoTable(&'static str),
}

impl Plan {
    /// Reads everything from LiteLLM's database. `salt` is what its secrets are encrypted with.
    /// `calendar` is what budgets keep to here.
    pub fn of_litellm(
        from: &Foreign,
        salt: Option<&str>,
        pepper: Option<&Pepper>,
        calendar: Option<Calendar>,
        present: Present,
    ) -> Result<Self, ImportError> {
        Ok(Self { taken: litellm::read(from, salt, pepper, calendar)?, present })
    }

    /// What would be done.
    pub fn look(&self, target: &Target<'_>) -> Result<Report, ImportError> {
        let mut report = self.report();
        let present = self.present;
        macro_rules! kinds {
            ($($field:ident),*) => {
                $(report.counts.insert(table::name(stringify!($field)), counted(target.store, &self.taken.$field, present)?);)*
            };
        }
        kinds!(
            budgets,
            organizations,
            organization_members,
            teams,
            team_members,
            users,
            projects,
            customers,
            tags,
            access_groups,
            group_budgets,
            keys,
            former_keys
        );
        let models: Vec<Model> = self.taken.models.iter().map(|(model, _)| model.clone()).collect();
        report.counts.insert("models", counted(target.store, &models, Present::Stays)?);
        let credentials: Vec<_> = self.taken.credentials.iter().map(|(credential, _)| credential.clone()).collect();
        report.counts.insert("credentials", counted(target.store, &credentials, Present::Stays)?);
        Ok(report)
    }

    /// Does it.
    pub fn apply(self, target: &Target<'_>) -> Result<Report, ImportError> {
        let report = self.look(target)?;
        let Self { taken, present } = self;
        macro_rules! kinds {
            ($($field:ident),*) => { $(put(target.store, taken.$field, present)?;)* };
        }
        kinds!(
            budgets,
            organizations,
            organization_members,
            teams,
            team_members,
            users,
            projects,
            customers,
            tags,
            access_groups,
            group_budgets,
            keys,
            former_keys
        );
        sealed(target, taken.models, taken.credentials)?;
        carry_blocking(target.store, "litellm", taken.balances, micros())?;
        Ok(report)
    }

    fn report(&self) -> Report {
        let keys = self.taken.balances.iter().filter(|balance| balance.scope.level == switchboard_engine::terms::Level::Key);
        Report {
            balances: self.taken.balances.len(),
            spent: keys.fold(NanoUsd::ZERO, |sum: NanoUsd, balance: &Balance| sum.plus(balance.total)),
            left: self.taken.left.clone(),
            ..Report::default()
        }
    }
}

const SIZE: usize = 200;

/// How many are new, changed and left.
fn counted<O: Object + Clone + PartialEq>(store: &Store, objects: &[O], present: Present) -> Result<[usize; 3], StoreError> {
    let mut counts = [0; 3];
    for some in objects.chunks(SIZE) {
        let ids: Vec<String> = some.iter().map(O::id).collect();
        let (own, store) = (some.to_vec(), store.clone());
        let known = wait(&store.clone(), async move { store.read(move |desk| async move { desk.several::<O>(&ids).await }).await })?;
        for object in own {
            let there = known.iter().find(|one| one.id() == object.id());
            let slot = match there {
                None => 0,
                Some(there) if present == Present::Replaced && *there != object => 1,
                Some(_) => 2,
            };
            counts[slot] += 1;
        }
    }
    Ok(counts)
}

fn author() -> Author {
    Author::named("import")
}

/// Waits on the store's thread, where nothing else is waited for.
fn wait<T: Send + 'static>(store: &Store, work: impl Future<Output = Result<T, StoreError>> + Send + 'static) -> Result<T, StoreError> {
    store.thread().block(work)
}

fn put<O: Object + Clone + PartialEq>(store: &Store, objects: Vec<O>, present: Present) -> Result<(), StoreError> {
    let mut objects = objects.into_iter().peekable();
    while objects.peek().is_some() {
        let some: Vec<O> = objects.by_ref().take(SIZE).collect();
        let own = store.clone();
        let write = async move {
            own.write_as(author(), move |desk| async move {
                for object in some {
                    let there: Option<O> = desk.get(&object.id()).await?;
                    if there.is_none() || present == Present::Replaced && there.as_ref() != Some(&object) {
                        desk.put(&object).await?;
                    }
                }
                Ok::<_, StoreError>(())
            })
            .await
        };
        wait(store, write)?;
    }
    Ok(())
}

async fn is_there<O: Object>(desk: &Desk, id: &str) -> Result<bool, StoreError> {
    Ok(desk.get::<O>(id).await?.is_some())
}

/// Models and credentials, with their secrets; those that are there stay.
fn sealed(
    target: &Target<'_>,
    models: Vec<table::Params<Model>>,
    credentials: Vec<table::Params<switchboard_store::object::Credential>>,
) -> Result<(), ImportError> {
    let (store, vault) = (target.store.clone(), target.vault.clone());
    let write = async move {
        let done = store.write_as(author(), move |desk| async move {
            for (credential, values) in credentials {
                if !is_there::<switchboard_store::object::Credential>(&desk, &credential.credential_name).await? {
                    seal::put_credential(&desk, &vault, credential, values).await?;
                }
            }
            for (model, params) in models {
                if !is_there::<Model>(&desk, &model.model_id).await? {
                    seal::put_model(&desk, &vault, model, params).await?;
                }
            }
            Ok::<_, switchboard_store::vault::VaultError>(())
        });
        Ok(done.await)
    };
    Ok(wait(target.store, write)??)
}
