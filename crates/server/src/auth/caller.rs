//! Who asks, with everything that decides what they may do.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use switchboard_engine::principal::{MASTER, OPEN, Principal};
use switchboard_store::Time;
use switchboard_store::object::{Json, Role};

use super::owned::Owned;
use crate::access::{Layer, Stores, Whose};
use crate::refused::Refused;
use crate::trust::Who;

/// What kind of credential was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// None is asked for.
    Open,
    /// The administrator's key.
    Master,
    /// A virtual key.
    Key,
    /// A signed token.
    Token,
    /// The cookie of somebody who is signed in.
    Session,
}

/// Somebody who asks, known.
#[derive(Debug)]
pub struct Caller {
    /// What the engine must know.
    pub principal: Arc<Principal>,
    /// What was shown.
    pub credential: Credential,
    /// The role of the key's user. None: a key of nobody.
    pub role: Option<Role>,
    /// The key's user.
    pub user: Option<String>,
    /// The key's team.
    pub team: Option<String>,
    /// The key's organization, or its team's.
    pub organization: Option<String>,
    /// The key's project.
    pub project: Option<String>,
    /// The routes the key may use; none means all.
    pub routes: Vec<String>,
    /// Whether it sees what everybody has spent, whoever it is.
    pub sees_spending: bool,
    /// Paths of what is passed on as it is that the key and its team are kept from.
    pub closed: Vec<String>,
    /// Lists of stores of vectors, each of which must have what is searched.
    pub stores: Vec<Stores>,
    /// Names that the key and its team have for models.
    pub called: Vec<String>,
    /// Lists of models, each of which must have what is asked for.
    pub layers: Vec<Layer>,
    /// Groups of models that its lists name.
    pub groups: Vec<String>,
    /// When the key ends.
    pub expires: Option<Time>,
    /// When something of its allowance ends, so that it must be read again.
    pub until: Option<Time>,
    /// Why it is refused outright.
    pub barred: Option<Barred>,
    /// Parameters each call must have.
    pub enforced_params: Vec<String>,
    /// Addresses the key may be used from; none means all.
    pub addresses: Vec<String>,
    /// What must not be in its requests.
    pub filters: Option<Arc<crate::guard::Filters>>,
    /// The share of its requests that is kept with their answers.
    pub kept_share: f64,
    /// Models that teams have to themselves.
    pub owned: Arc<Owned>,
    /// The credentials that its calls go with, by model and provider: what its project says, then its team.
    pub model_config: Vec<Json>,
    /// The keys that its key was made with, as they are now.
    pub makers: Vec<String>,
    /// The same in other teams of its token, where this one may not use a model.
    pub others: Vec<Arc<Caller>>,
}

/// Why a caller is refused outright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// The key is blocked.
    Key,
    /// Its team is.
    Team,
    /// Its project is.
    Project,
    /// Its user is no longer active.
    User,
}

/// The user that the master key acts as.
pub const ADMIN: &str = "default_user_id";
/// What somebody is called who needs no key.
const PUBLIC: &str = "public";

impl Caller {
    /// Somebody who holds the master key, or asks a gateway that wants none.
    pub fn trusted(credential: Credential) -> Self {
        let (name, role) = match credential {
            Credential::Open => (OPEN, None),
            Credential::Master | Credential::Key | Credential::Token | Credential::Session => (MASTER, Some(Role::ProxyAdmin)),
        };
        let user = role.map(|_| ADMIN.to_owned());
        Self {
            principal: Arc::new(Principal { user: user.clone(), ..Principal::named(name) }),
            credential,
            role,
            user,
            team: None,
            organization: None,
            project: None,
            routes: Vec::new(),
            sees_spending: false,
            closed: Vec::new(),
            stores: Vec::new(),
            called: Vec::new(),
            layers: Vec::new(),
            groups: Vec::new(),
            expires: None,
            until: None,
            barred: None,
            enforced_params: Vec::new(),
            addresses: Vec::new(),
            filters: None,
            kept_share: 0.0,
            owned: Arc::default(),
            model_config: Vec::new(),
            makers: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Somebody who needs no key, at a route that is open to all.
    pub fn anybody() -> Self {
        let role = Some(Role::InternalUserViewer);
        Self { principal: Arc::new(Principal::named(PUBLIC)), role, user: None, ..Self::trusted(Credential::Key) }
    }

    /// Whether nothing is known of who it is.
    pub fn is_anybody(&self) -> bool {
        self.credential == Credential::Key && self.principal.key_hash.is_none() && self.principal.key == PUBLIC
    }

    /// Whether it administers the gateway.
    pub fn is_admin(&self) -> bool {
        self.role == Some(Role::ProxyAdmin)
    }

    /// Whether it may use the model of those names: its own, and its group's.
    pub fn may_use(&self, names: &[&str]) -> bool {
        self.refusing(names).is_none()
    }

    /// The same caller, who may call its team's own models, by the team's names for them.
    pub fn owning(self, owned: &Arc<Owned>) -> Self {
        let principal = match owned.names(self.team.as_deref()) {
            Some(own) => Arc::new(Principal { own: own.clone(), ..(*self.principal).clone() }),
            None => self.principal,
        };
        Self { principal, owned: owned.clone(), ..self }
    }

    /// Whose list it is that does not have the model of those names, if any is.
    pub fn refusing(&self, names: &[&str]) -> Option<Whose> {
        let owner = names.iter().find_map(|name| self.owned.owner(name));
        if let Some((team, _)) = owner
            && self.team.as_deref() != Some(team)
            && !self.sees_all()
        {
            return Some(Whose::Key);
        }
        let public = owner.map(|(_, public)| public);
        // Groups of models name a pattern's group, not what is below it.
        let base = names.iter().find_map(|name| self.owned.base(name));
        let has = |layer: &Layer| names.iter().copied().chain(public).chain(base).any(|name| layer.has(name));
        // A team's own model is not one of those that its organization was given.
        let concerns = |layer: &&Layer| owner.is_none() || layer.whose != Whose::Organization;
        self.layers.iter().filter(concerns).find(|layer| !has(layer)).map(|layer| layer.whose)
    }

    /// The model meant by that name: its team's own, its own alias, else the name.
    pub fn meant<'a>(&'a self, model: &'a str) -> Cow<'a, str> {
        let aliased = self.principal.meant(model);
        self.owned.group(self.team.as_deref(), aliased).unwrap_or(Cow::Borrowed(aliased))
    }

    /// The same, where the name's provider is known too (`whole`): a team's pattern may have it with its provider alone.
    pub fn meant_whole<'a>(&'a self, model: &'a str, whole: impl FnOnce(&str) -> Option<String>) -> Cow<'a, str> {
        let meant = self.meant(model);
        if !matches!(meant, Cow::Borrowed(_)) || !self.owned.has_patterns(self.team.as_deref()) {
            return meant;
        }
        let whole = whole(&meant).and_then(|whole| self.owned.group(self.team.as_deref(), &whole).map(Cow::into_owned));
        whole.map_or(meant, Cow::Owned)
    }

    /// Whether it may be told where deployments are reached: administrators may, and everyone at a gateway that asks for no key.
    pub fn sees_places(&self) -> bool {
        self.sees_all() || self.credential == Credential::Open
    }

    /// Whether it sees everything.
    pub fn sees_all(&self) -> bool {
        matches!(self.role, Some(Role::ProxyAdmin | Role::ProxyAdminViewer))
    }

    /// The name under which its changes are kept.
    pub fn actor(&self) -> &str {
        self.user.as_deref().or(self.principal.key_hash.as_deref()).unwrap_or(&self.principal.key)
    }

    /// The same for the log of what administrators do.
    pub fn who(&self) -> Who<'_> {
        let key = self.principal.key_hash.as_deref().unwrap_or_default();
        Who { actor: self.actor(), key, team: self.team.as_deref().unwrap_or_default() }
    }

    /// Refuses whoever may not ask now, from there.
    pub fn admit(&self, now: Time, from: Option<IpAddr>) -> Result<(), Refused> {
        if let Some(barred) = self.barred {
            return Err(barred.refusal());
        }
        if let Some(expires) = self.expires.filter(|expires| *expires <= now) {
            let message = format!("Authentication Error - Expired Key. Key Expiry time {expires} and current time {now}");
            return Err(Refused::unauthenticated("expired_key", self.principal.key.as_str().into(), message));
        }
        let stranger = |from: IpAddr| !self.addresses.iter().any(|allowed| super::address::has(allowed, from));
        if !self.addresses.is_empty() && from.is_none_or(stranger) {
            return Err(Refused::forbidden("Access forbidden: IP address not allowed."));
        }
        Ok(())
    }
}

impl Barred {
    fn refusal(self) -> Refused {
        let message = match self {
            Barred::Key => "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.",
            Barred::Team => "Authentication Error, Team is blocked. Update via `/team/unblock` if you're an admin.",
            Barred::User => "Authentication Error, User is deactivated. It is activated again where it was provisioned.",
            Barred::Project => "Authentication Error, Project is blocked. Update via `/project/update` if you're an admin.",
        };
        Refused::unauthenticated("auth_error", serde_json::json!("None"), message)
    }
}
