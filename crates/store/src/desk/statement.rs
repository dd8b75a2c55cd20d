//! The statements about objects. All are constants: what comes from outside is bound.

pub(super) const NEXT: &str = "UPDATE change_counter SET seq = seq + 1 WHERE one = 1 RETURNING seq";
pub(super) const CHANGED: &str = "INSERT INTO changes (seq, kind, id, changed_at) VALUES ($1, $2, $3, $4)";
pub(super) const GET: &str = "SELECT document FROM objects WHERE kind = $1 AND id = $2";
pub(super) const SEVERAL: &str =
    "SELECT document FROM objects WHERE kind = $1 AND id IN (SELECT value FROM json_each($2)) ORDER BY created_at, id";
pub(super) const SEVERAL_POSTGRES: &str =
    "SELECT document FROM objects WHERE kind = $1 AND id IN (SELECT json_array_elements_text($2::json)) ORDER BY created_at, id";
pub(super) const NAMED: &str = "SELECT document FROM objects WHERE kind = $1 AND name = $2 ORDER BY created_at, id";
pub(super) const OF_USER: &str = "SELECT document FROM objects WHERE kind = $1 AND user_id = $2 ORDER BY created_at, id";
pub(super) const OF_TEAM: &str = "SELECT document FROM objects WHERE kind = $1 AND team_id = $2 ORDER BY created_at, id";
pub(super) const OF_ORGANIZATION: &str = "SELECT document FROM objects WHERE kind = $1 AND organization_id = $2 ORDER BY created_at, id";
pub(super) const OF_PROJECT: &str = "SELECT document FROM objects WHERE kind = $1 AND project_id = $2 ORDER BY created_at, id";
pub(super) const ALL: &str = "SELECT document FROM objects WHERE kind = $1 ORDER BY created_at, id";
pub(super) const DELETED: &str = "SELECT document FROM deleted_objects WHERE kind = $1 AND id = $2 ORDER BY deletion DESC";
pub(super) const PUT: &str = "\
INSERT INTO objects (kind, id, name, user_id, team_id, organization_id, project_id, created_by, expires_at, created_at, updated_at, form, \
document) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
ON CONFLICT (kind, id) DO UPDATE SET name = excluded.name, user_id = excluded.user_id, team_id = excluded.team_id, \
organization_id = excluded.organization_id, project_id = excluded.project_id, created_by = excluded.created_by, \
expires_at = excluded.expires_at, created_at = excluded.created_at, updated_at = excluded.updated_at, form = excluded.form, \
document = excluded.document";
pub(super) const KEEP: &str = "\
INSERT INTO deleted_objects (deletion, kind, id, deleted_by, deleted_at, document) VALUES ($1, $2, $3, $4, $5, $6)";
pub(super) const DELETE: &str = "DELETE FROM objects WHERE kind = $1 AND id = $2";
pub(super) const TOUCH: &str = "UPDATE objects SET updated_at = $3 WHERE kind = $1 AND id = $2";
pub(super) const TOUCHED: &str = "SELECT updated_at FROM objects WHERE kind = $1 AND id = $2";
