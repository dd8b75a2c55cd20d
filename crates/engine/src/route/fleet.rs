//! Every deployment there is, and the names by which callers reach them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_wire::Operation;

use crate::catalog::Family;
use crate::deployment::Deployment;
use crate::guidance::Fallback;
use crate::pattern::Wildcard;
use crate::route::affinity::Memory;
use crate::route::hooks::Hooks;
use crate::route::name::{self, Variant};
use crate::route::plan::{Fallbacks, TryPolicy};
use crate::route::settings::Settings;
use crate::route::virtual_model::VirtualModel;

/// The deployments of one name.
pub type Group = Arc<[Arc<Deployment>]>;

/// Makes the deployment of a model that only a pattern knows: (the pattern's deployment, the texts that its `*` stand for).
pub type Expand = dyn Fn(&Deployment, &[&str]) -> Option<Deployment> + Send + Sync;

/// The whole names that a name may stand for, with the provider before it, the best first.
pub type Whole = dyn Fn(&str) -> Vec<String> + Send + Sync;

/// Every deployment there is, and the names by which callers reach them.
pub struct Fleet {
    groups: BTreeMap<Arc<str>, Group>,
    patterns: Vec<Pattern>,
    aliases: HashMap<String, String>,
    hidden: Vec<String>,
    access: BTreeMap<Arc<str>, Group>,
    virtuals: BTreeMap<Arc<str>, Arc<VirtualModel>>,
    trials: Vec<(String, Vec<String>)>,
    /// Those that only their groups are known by are not among them: patterns' deployments are none yet.
    ids: HashMap<Box<str>, Arc<Deployment>>,
    pub(super) fallbacks: HashMap<String, Arc<Fallbacks>>,
    pub(super) default_fallbacks: Arc<Fallbacks>,
    expand: Box<Expand>,
    whole: Option<Box<Whole>>,
    expanded: Mutex<HashMap<Arc<str>, Group>>,
    pub(super) policy: Arc<TryPolicy>,
    pub(super) settings: Settings,
    pub(super) memory: Arc<Memory>,
    pub(super) hooks: Hooks,
}

#[derive(Debug)]
struct Pattern {
    name: Wildcard,
    deployments: Group,
}

/// The most names made from patterns that are kept.
const KEPT: usize = 4096;

/// The names beside those of the deployments themselves, and how deployments are chosen.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Other names of groups.
    pub aliases: Vec<(String, String)>,
    /// Aliases that lists leave out.
    pub hidden: Vec<String>,
    /// Groups to try when all of one have failed; `*` for any.
    pub fallbacks: Vec<(String, Vec<Fallback>)>,
    /// Groups to try when the input is too long for one.
    pub context_window_fallbacks: Vec<(String, Vec<Fallback>)>,
    /// Groups to try when a content policy of one says no.
    pub content_policy_fallbacks: Vec<(String, Vec<Fallback>)>,
    /// Groups to try when one without fallbacks of its own has failed.
    pub default_fallbacks: Vec<Fallback>,
    /// How deep fallbacks of fallbacks may lie; [`Fallbacks::MOST`] unless said.
    pub max_fallbacks: Option<usize>,
    /// Names that stand for several groups.
    pub virtual_models: Vec<VirtualModel>,
    /// Names that experiments are reached by, and the groups of their arms: lists show them, and who they lead to is for the advisor.
    pub trials: Vec<(String, Vec<String>)>,
    /// How deployments are chosen.
    pub settings: Settings,
    /// How targets are tried.
    pub policy: TryPolicy,
}

/// What a name stands for.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) group: Arc<str>,
    pub(super) deployments: Group,
    pub(super) variant: Variant,
    pub(super) rule: Option<Arc<VirtualModel>>,
    /// The one that is meant, where the name is a deployment's id.
    pub(super) only: Option<Arc<Deployment>>,
}

impl Fleet {
    /// The fleet of those deployments. `expand` makes the deployment of a name that a pattern matches.
    pub fn new(deployments: Vec<Deployment>, names: Names, expand: Box<Expand>) -> Self {
        let deployments: Vec<Arc<Deployment>> = deployments.into_iter().map(Arc::new).collect();
        let mut groups = gather(&deployments, |deployment| std::slice::from_ref(&deployment.spec.group));
        let access = gather(&deployments, |deployment| &deployment.spec.traits.access_groups);
        let mut patterns = Vec::new();
        for name in groups.keys().filter(|name| name.contains('*')).cloned().collect::<Vec<_>>() {
            if let Some(deployments) = groups.remove(&name) {
                patterns.push(Pattern { name: Wildcard::of(&name), deployments });
            }
        }
        // The longest pattern says most.
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.name.said()));
        let (fallbacks, default_fallbacks) = super::fallbacks::gather(&names);
        let ids = deployments.iter().filter(|one| !one.spec.group.contains('*')).map(|one| (one.spec.id.as_str().into(), one.clone()));
        let mut aliases: HashMap<String, String> = names.aliases.into_iter().collect();
        for one in &names.virtual_models {
            aliases.extend(one.aliases.iter().map(|alias| (alias.clone(), one.name.clone())));
        }
        Self {
            groups,
            patterns,
            aliases,
            hidden: names.hidden,
            access,
            virtuals: names.virtual_models.into_iter().map(|one| (Arc::from(one.name.as_str()), Arc::new(one))).collect(),
            trials: names.trials,
            ids: ids.collect(),
            fallbacks,
            default_fallbacks,
            expand,
            whole: None,
            expanded: Mutex::default(),
            policy: Arc::new(names.policy),
            settings: names.settings,
            memory: Arc::default(),
            hooks: Hooks::default(),
        }
    }

    /// The same, with what other rooms say.
    #[must_use]
    pub fn with_hooks(mut self, hooks: Hooks) -> Self {
        self.hooks = hooks;
        self
    }

    /// The same, which completes names without a provider where a pattern has them with it, and knows those that begin with who made
    /// the model.
    #[must_use]
    pub fn completing(self, whole: Box<Whole>) -> Self {
        Self { whole: Some(whole), ..self }
    }

    /// Takes over what another fleet remembers and was told.
    pub fn inherit(&mut self, other: &Self) {
        self.memory = other.memory.clone();
        self.hooks = other.hooks.clone();
    }

    /// The group a name stands for, and its deployments; of a virtual model, all that it may go to.
    pub fn find(&self, name: &str) -> Option<(Arc<str>, Group)> {
        let found = self.resolve(name)?;
        match &found.rule {
            Some(rule) => {
                let groups = rule.targets.iter().filter_map(|target| self.group(&target.model));
                Some((found.group, groups.flat_map(|(_, group)| group.to_vec()).collect()))
            }
            None => Some((found.group, found.deployments)),
        }
    }

    /// The group that a name stands for; the name itself where there is none.
    pub(crate) fn group_of(&self, name: &str) -> Arc<str> {
        self.resolve(name).map_or_else(|| name.into(), |found| found.group)
    }

    /// What a name stands for: an alias, a group, a virtual model, a deployment's id, a variant, a family's newest, a pattern's match, a
    /// dated or an undated form, an access group, a pattern's match with the provider before it, the name of a model's maker and the
    /// model's own; in that order.
    pub(super) fn resolve(&self, name: &str) -> Option<Found> {
        if let Some(found) = self.named(name, Variant::None).or_else(|| self.by_id(name)) {
            return Some(found);
        }
        if let Some((base, variant)) = name::split_variant(name)
            && !self.is_for_gateway(name)
        {
            let base = self.named(base, variant).or_else(|| self.not_quite(base, variant));
            if base.is_some() {
                return base;
            }
        }
        let found = self.not_quite(name, Variant::None);
        if found.as_ref().is_some_and(|found| found.rule.is_some() || found.deployments.iter().any(|one| one.lacking.is_none())) {
            return found;
        }
        self.completed(name).or(found)
    }

    /// By a name that is none of a group's. What a pattern takes without knowing it may be a known model in another spelling.
    fn not_quite(&self, name: &str, variant: Variant) -> Option<Found> {
        if let Some(newest) = Family::of(name).and_then(|family| self.newest(&family, name, variant)) {
            return Some(newest);
        }
        let known = self.pattern(name, variant).or_else(|| self.loosely(name, variant));
        match known {
            Some(found) if found.rule.is_some() || is_known(&found) || found.deployments.iter().any(|one| one.gateway) => Some(found),
            Some(found) => Some(self.made(name, variant).filter(is_known).unwrap_or(found)),
            None => self.made(name, variant),
        }
    }

    /// By who made the model and its name (`author/slug`), where such a name leads to the maker's own provider.
    fn made(&self, name: &str, variant: Variant) -> Option<Found> {
        let whole = self.whole.as_ref().filter(|_| name.contains('/'))?;
        let others = whole(name).into_iter().filter(|whole| whole != name);
        let found: Vec<Found> = others.filter_map(|whole| self.named(&whole, variant).or_else(|| self.pattern(&whole, variant))).collect();
        let best = found.iter().position(is_known).unwrap_or(0);
        found.into_iter().nth(best)
    }

    /// By a family's name: the newest of its models that have names here, or that patterns have.
    fn newest(&self, family: &Family<'_>, name: &str, variant: Variant) -> Option<Found> {
        let age = |group: &str| family.age(group.split_once('/')?.1);
        let own = self.groups.iter().filter(|(group, deployments)| {
            group.split_once('/').is_some_and(|(author, _)| author == family.author)
                && deployments.iter().any(|one| one.is_for(Operation::Chat))
        });
        let own = own.filter_map(|(group, _)| Some((age(group)?, group))).max();
        match (self.made(name, variant), own) {
            (Some(made), Some((own, _))) if age(&made.group).is_some_and(|made| made > own) => Some(made),
            (_, Some((_, group))) => self.named(group, variant),
            (made, None) => made,
        }
    }

    fn named(&self, name: &str, variant: Variant) -> Option<Found> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        if let Some((group, deployments)) = self.groups.get_key_value(name) {
            return Some(Found { group: group.clone(), deployments: deployments.clone(), variant, rule: None, only: None });
        }
        if let Some((group, rule)) = self.virtuals.get_key_value(name) {
            return Some(Found { group: group.clone(), deployments: Group::default(), variant, rule: Some(rule.clone()), only: None });
        }
        self.aliases.values().any(|target| target == name).then(|| self.pattern(name, variant)).flatten()
    }

    /// By a deployment's id. Its group comes along: what holds for the group's deployments together holds for one of them.
    fn by_id(&self, id: &str) -> Option<Found> {
        let only = self.ids.get(id)?;
        let (group, deployments) = self.groups.get_key_value(only.spec.group.as_str())?;
        let (group, deployments) = (group.clone(), deployments.clone());
        Some(Found { group, deployments, variant: Variant::None, rule: None, only: Some(only.clone()) })
    }

    /// The group of a deployment whose id that name is, where it is nothing else.
    pub fn group_of_id(&self, name: &str) -> Option<Arc<str>> {
        let found = self.by_id(name)?;
        self.named(name, Variant::None).is_none().then_some(found.group)
    }

    /// Whether that name is an alias of that group.
    pub(crate) fn is_alias(&self, name: &str, group: &str) -> bool {
        self.aliases.get(name).is_some_and(|known| known == group)
    }

    fn pattern(&self, name: &str, variant: Variant) -> Option<Found> {
        let (group, deployments) = self.expanded(name)?;
        Some(Found { group, deployments, variant, rule: None, only: None })
    }

    /// By a name without a provider, where patterns have names with one.
    fn completed(&self, name: &str) -> Option<Found> {
        self.pattern(&self.whole_name(name)?, Variant::None)
    }

    /// A name with the provider whose it is before it, where it names none and there are patterns.
    pub fn whole_name(&self, name: &str) -> Option<String> {
        if name.contains('/') || self.patterns.is_empty() {
            return None;
        }
        self.whole.as_ref()?(name).into_iter().next()
    }

    /// Whether the name leads to a gateway, which has variants of its own.
    fn is_for_gateway(&self, name: &str) -> bool {
        let pattern = self.patterns.iter().find(|pattern| pattern.name.captured(name).is_some());
        pattern.is_some_and(|pattern| pattern.deployments.first().is_some_and(|deployment| deployment.gateway))
    }

    /// By a name that is not quite one: a date too many or too few, an access group.
    fn loosely(&self, name: &str, variant: Variant) -> Option<Found> {
        if let Some(found) = name::without_date(name).and_then(|base| self.named(base, variant)) {
            return Some(found);
        }
        let dated = self.groups.keys().filter(|group| group.starts_with(name) && name::without_date(group) == Some(name));
        if let Some(found) = dated.max().and_then(|group| self.named(group, variant)) {
            return Some(found);
        }
        let (group, deployments) = self.access.get_key_value(name)?;
        Some(Found { group: group.clone(), deployments: deployments.clone(), variant, rule: None, only: None })
    }

    /// The deployments of a group, by its name or by a pattern that matches it.
    pub(super) fn group(&self, name: &str) -> Option<(Arc<str>, Group)> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        let known = self.groups.get_key_value(name).map(|(name, group)| (name.clone(), group.clone()));
        known.or_else(|| self.expanded(name))
    }

    fn expanded(&self, name: &str) -> Option<(Arc<str>, Group)> {
        if self.patterns.is_empty() {
            return None;
        }
        let mut expanded = self.expanded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, group)) = expanded.get_key_value(name) {
            return Some((name.clone(), group.clone()));
        }
        let group = self.patterns.iter().find_map(|pattern| {
            let captured = pattern.name.captured(name)?;
            let made: Vec<_> = pattern.deployments.iter().filter_map(|one| (self.expand)(one, &captured)).map(Arc::new).collect();
            let barred = || pattern.deployments.first().is_some_and(|one| one.lacking.is_some()).then(|| pattern.deployments.clone());
            if made.is_empty() { barred() } else { Some(usable(made)) }
        })?;
        if expanded.len() >= KEPT {
            expanded.clear();
        }
        let name: Arc<str> = Arc::from(name);
        expanded.insert(name.clone(), group.clone());
        Some((name, group))
    }

    /// The model that stands for those that nobody knows: the first to which all others fall back, where there are patterns, so that not
    /// every name is known beforehand.
    pub fn for_unknown(&self) -> Option<&str> {
        let first = self.default_fallbacks.general.first().filter(|_| !self.patterns.is_empty());
        first.map(|fallback| fallback.model.as_str())
    }

    /// The names of the groups, aliases and virtual models included, patterns not.
    pub fn names(&self) -> Vec<(&str, &Deployment)> {
        let own = self.groups.iter().filter_map(|(name, group)| Some((&**name, &**group.first()?)));
        let first = |rule: &VirtualModel| rule.targets.iter().find_map(|target| self.groups.get(target.model.as_str())?.first());
        let virtuals = self.virtuals.iter().filter_map(|(name, rule)| Some((&**name, &**first(rule)?)));
        let aliases = self.aliases.iter().filter(|(alias, _)| !self.hidden.contains(alias));
        let aliases = aliases.filter_map(|(alias, name)| {
            let group = self.groups.get(name.as_str()).and_then(|group| group.first());
            Some((alias.as_str(), &**group.or_else(|| first(self.virtuals.get(name.as_str())?))?))
        });
        let trials = self.trials.iter().filter_map(|(name, arms)| {
            let first = arms.iter().find_map(|arm| self.groups.get(arm.as_str())?.first());
            Some((name.as_str(), &**first?))
        });
        let mut names: Vec<_> = own.chain(virtuals).chain(aliases).chain(trials).collect();
        names.sort_by_key(|(name, _)| *name);
        names.dedup_by_key(|(name, _)| *name);
        names
    }

    /// The groups by every name that lists show, aliases and virtual models included, patterns not; in no order.
    pub fn groups(&self) -> impl Iterator<Item = (&str, Group)> {
        let own = self.groups.iter().map(|(name, group)| (&**name, group.clone()));
        let all = |rule: &VirtualModel| {
            let groups = rule.targets.iter().filter_map(|target| self.groups.get(target.model.as_str()));
            groups.flat_map(|group| group.iter().cloned()).collect::<Group>()
        };
        let virtuals = self.virtuals.iter().map(move |(name, rule)| (&**name, all(rule)));
        let aliases = self.aliases.iter().filter(|(alias, _)| !self.hidden.contains(alias));
        let aliases = aliases.filter_map(move |(alias, name)| {
            let group = self.groups.get(name.as_str()).cloned();
            Some((alias.as_str(), group.or_else(|| Some(all(self.virtuals.get(name.as_str())?)))?))
        });
        let trials = self.trials.iter().filter(|(name, _)| !self.groups.contains_key(name.as_str()) && !self.aliases.contains_key(name));
        let trials = trials.map(move |(name, arms)| {
            let groups = arms.iter().filter_map(|arm| self.groups.get(arm.as_str()));
            (name.as_str(), groups.flat_map(|group| group.iter().cloned()).collect::<Group>())
        });
        own.chain(virtuals).chain(aliases).chain(trials).filter(|(_, group)| !group.is_empty())
    }

    /// The patterns among the names, as written, with all their deployments.
    pub fn pattern_groups(&self) -> impl Iterator<Item = (&Wildcard, &Group)> {
        self.patterns.iter().map(|pattern| (&pattern.name, &pattern.deployments))
    }

    /// The deployments of a name that a pattern stands for, where it was asked for before.
    pub fn known(&self, name: &str) -> Option<Group> {
        self.expanded.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The patterns among the names, as written, with their deployments.
    pub fn patterns(&self) -> impl Iterator<Item = (&Wildcard, &Deployment)> {
        self.patterns.iter().filter_map(|pattern| Some((&pattern.name, &**pattern.deployments.first()?)))
    }

    /// The virtual models that choose by tier, by all their names.
    pub(crate) fn tiered(&self) -> Vec<(String, Arc<VirtualModel>)> {
        let is_tiered = |model: &Arc<VirtualModel>| model.rule == crate::route::virtual_model::Rule::Complexity;
        let own = self.virtuals.iter().filter(|(_, model)| is_tiered(model)).map(|(name, model)| (name.to_string(), model.clone()));
        let aliases = self.aliases.iter().filter_map(|(alias, name)| {
            let model = self.virtuals.get(name.as_str()).filter(|model| is_tiered(model))?;
            Some((alias.clone(), model.clone()))
        });
        aliases.chain(own).collect()
    }

    /// Every deployment as configured, but for those that lack what they are called with.
    pub fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        let groups = self.groups.values().chain(self.patterns.iter().map(|pattern| &pattern.deployments));
        groups.flat_map(|group| group.iter()).filter(|one| one.lacking.is_none())
    }

    /// How deployments are chosen.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// Whether the model is one of the catalogue's.
fn is_known(found: &Found) -> bool {
    found.deployments.iter().any(|one| one.card.is_some())
}

/// Deployments by what they are named.
fn gather(deployments: &[Arc<Deployment>], names: fn(&Deployment) -> &[String]) -> BTreeMap<Arc<str>, Group> {
    let mut groups: BTreeMap<&str, Vec<Arc<Deployment>>> = BTreeMap::new();
    for deployment in deployments {
        for name in names(deployment) {
            groups.entry(name).or_default().push(deployment.clone());
        }
    }
    groups.into_iter().map(|(name, group)| (Arc::from(name), usable(group))).collect()
}

/// Those that lack nothing; where all do, all, so that their name stands for nothing else.
fn usable(mut group: Vec<Arc<Deployment>>) -> Group {
    if group.iter().any(|one| one.lacking.is_none()) {
        group.retain(|one| one.lacking.is_none());
    }
    group.into()
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Fleet").field("groups", &self.groups.len()).field("patterns", &self.patterns).finish_non_exhaustive()
    }
}
