package iam

import (
	"slices"
	"strings"

	"strongroom/crn"
)

// Role is a role that everybody has: of the platform, of every service, or of
// one service.
type Role struct {
	CRN         string
	DisplayName string // exactly as IBM's; clients find roles by it
	Description string
	Service     string // whose role it is; empty for the platform's and those of every service
	Platform    bool   // manages, and gives no access to data
	Authorizes  bool   // may be given to a service
	actions     actionSet
}

// PurgeKey is the one action that owning an account does not give.
const PurgeKey Action = "kms.secrets.purge"

// lookUpInstance is what a service must be able to do to find the instance that
// it was given access to.
const lookUpInstance Action = "resource-controller.instance.retrieve"

// roleRow declares a role.
type roleRow struct {
	service, suffix, display, description string
	platform, authorizes                  bool
}

var roleRows = []roleRow{
	{suffix: "Viewer", display: "Viewer", platform: true, description: "As a viewer, you can view instances, groups and settings, but you can't change them."},
	{suffix: "Operator", display: "Operator", platform: true, description: "As an operator, you can do what is needed to run instances: rename them, make service credentials, and read the audit trail."},
	{suffix: "Editor", display: "Editor", platform: true, description: "As an editor, you can create, change and delete instances and groups, but not access policies."},
	{suffix: "Administrator", display: "Administrator", platform: true, description: "As an administrator, you can do everything that manages the resource, including giving access to it."},

	{suffix: "Reader", display: "Reader", authorizes: true, description: "As a reader, you can list and look, and use keys to wrap and unwrap, but not change anything."},
	{suffix: "Writer", display: "Writer", authorizes: true, description: "As a writer, you have the permissions of a reader, and can create and edit."},
	{suffix: "Manager", display: "Manager", authorizes: true, description: "As a manager, you have the permissions of a writer, and can do what is privileged in the service."},

	{service: crn.KeyProtect, suffix: "ReaderPlus", display: "ReaderPlus", authorizes: true, description: "As a reader plus, you have the permissions of a reader, and can read the material of standard keys."},
	{service: crn.KeyProtect, suffix: "KeyPurge", display: "KeyPurge", description: "As a key purger, you can remove deleted keys for good."},
	{service: crn.KeyProtect, suffix: "KmipAdapterManager", display: "KmipAdapterManager", description: "As a KMIP adapter manager, you can manage KMIP adapters and their certificates."},

	{service: crn.ObjectStorage, suffix: "ContentReader", display: "Content Reader", authorizes: true, description: "As a content reader, you can list a bucket and read its objects."},
	{service: crn.ObjectStorage, suffix: "ObjectReader", display: "Object Reader", authorizes: true, description: "As an object reader, you can read objects whose names you know."},
	{service: crn.ObjectStorage, suffix: "ObjectWriter", display: "Object Writer", authorizes: true, description: "As an object writer, you can write objects, and read nothing."},
	{service: crn.ObjectStorage, suffix: "InstanceActor", display: "Instance Actor", description: "As an instance actor, you can obtain tokens that are the instance, and so use what the instance was authorized to use."},
}

// crnOf is the name by which policies refer to a role.
func (r roleRow) crn() string {
	switch {
	case r.platform:
		return crn.Role("iam", "role", r.suffix).String()
	case r.service != "":
		return crn.Role(r.service, "serviceRole", r.suffix).String()
	default:
		return crn.Role("iam", "serviceRole", r.suffix).String()
	}
}

// grantRow gives actions to roles. Columns are letters:
//
//	platform  V Viewer, O Operator, E Editor, A Administrator
//	service   R Reader, W Writer, M Manager
//	kms       P ReaderPlus, X KeyPurge, K KmipAdapterManager
//	storage   c Content Reader, r Object Reader, w Object Writer, I Instance Actor
//
// Names are relative to the prefix.
type grantRow struct{ roles, prefix, names string }

// roleLetters are the columns, in the order of roleRows.
const roleLetters = "VOEARWMPXKcrwI"

// grants is the whole of what roles allow. Platform roles manage and see no
// data, service roles use and manage nothing: no row has letters of both.
var grants = []grantRow{
	// Instances, service credentials and resource groups.
	{"VOEA", "resource-controller.", "instance.retrieve instance.list key.retrieve key.list group.retrieve group.list reclamation.retrieve reclamation.list tag.list"},
	{"OEA", "resource-controller.", "instance.update key.create key.update key.delete tag.attach tag.detach"},
	{"EA", "resource-controller.", "instance.create instance.delete instance.update_plan instance.lock instance.unlock instance.restore reclamation.reclaim reclamation.restore group.create group.update group.delete"},
	{"A", "resource-controller.", "credential.retrieve_all instance.update_onetime_credentials_off"},

	// Identities.
	{"VOEA", "iam-identity.", "apikey.get apikey.list serviceid.get serviceid.list user.get user.list account.get"},
	{"EA", "iam-identity.", "serviceid.create serviceid.update serviceid.delete serviceid.lock serviceid.unlock"},
	// Who makes a key for an identity can become it, so this is for administrators alone. What
	// everybody may do with their own keys needs no role.
	{"A", "iam-identity.", "apikey.create apikey.update apikey.delete apikey.lock apikey.unlock apikey.disable apikey.enable"},
	{"A", "iam-identity.", "user.create user.update user.delete user.lock user.unlock user.disable user.enable serviceid.disable serviceid.enable account.update"},

	// Of an object store elsewhere, which is known here as an instance.
	{"I", "iam-identity.", "instance.assume"},

	// Access.
	{"VOEA", "iam-am.", "policy.get policy.list role.get role.list"},
	{"A", "iam-am.", "policy.create policy.update policy.delete policy.restore role.create role.update role.delete"},
	{"VOEA", "iam-groups.", "group.get group.list member.list settings.get"},
	{"EA", "iam-groups.", "group.create group.update group.delete"},
	// Who adds a member hands out all that the group may do, so this too is for administrators.
	{"A", "iam-groups.", "member.add member.remove"},

	// Our own operations.
	{"VOEA", "strongroom.", "metrics.read"},
	{"OA", "strongroom.", "audit.read audit.verify custody.read node.list slice-map.read"},
	{"A", "strongroom.", "audit.export token.revoke custody.rotate custody.migrate custody.retire backup.create node.add node.drain node.replace"},

	// Key Protect (key-protect-api.md 3.2). Only KeyPurge purges.
	{"RPWMK", "kms.", "secrets.list secrets.head key-rings.list"},
	{"RPWM", "kms.", "secrets-metadata.read secrets-key-versions.list secrets.wrap secrets.unwrap secrets.rewrap registrations.list registrations.create registrations.write registrations.merge registrations.delete registrations.deactivate secrets-event.ack governance-config.read"},
	{"PWM", "kms.", "secrets.read"},
	{"WM", "kms.", "secrets.create secrets.rotate secrets.setkeyfordeletion secrets.unsetkeyfordeletion secrets.sync secrets-alias.create secrets-alias.delete key-rings.create import-token.create import-token.read"},
	{"M", "kms.", "secrets-with-policy-overrides.create secrets.disable secrets.enable secrets.delete secrets.restore secrets.patch key-rings.delete policies.read policies.write instance-policies.read instance-policies.write instance-allowed-ip-port.read"},
	{"MK", "kms.", "kmip-management.create kmip-management.list kmip-management.read kmip-management.delete"},
	{"X", "kms.", "secrets.purge"},

	// Object storage (cos-api.md 24).
	{"rcRWM", "cloud-object-storage.object.", "get head get_version head_version copy_get_version copy_part_get_version"},
	{"cRWM", "cloud-object-storage.bucket.", "get head get_versions get_location"},
	{"RWM", "cloud-object-storage.account.", "get_account_buckets"},
	{"RWM", "cloud-object-storage.bucket.", "get_uploads get_cors get_website get_versioning get_object_lock_configuration get_lifecycle get_activity_tracking get_metrics_monitoring get_protection get_basic get_encryption list_bucket_crn get_replication get_fasp_connection_info"},
	{"RWM", "cloud-object-storage.object.", "get_object_lock_retention get_object_lock_retention_version get_object_lock_legal_hold get_object_lock_legal_hold_version copy_get copy_part_get get_tagging get_tagging_version get_legal_hold"},
	{"wRWM", "cloud-object-storage.object.", "get_uploads"},
	{"wWM", "cloud-object-storage.object.", "put post post_md post_initiate_upload put_part post_complete_upload delete_upload put_tagging put_tagging_version delete_tagging delete_tagging_version put_object_lock_retention put_object_lock_retention_version put_object_lock_legal_hold put_object_lock_legal_hold_version bypass_governance_retention"},
	{"WM", "cloud-object-storage.bucket.", "put_bucket delete_bucket list_crk_id put_cors delete_cors put_website delete_website put_versioning put_object_lock_configuration put_lifecycle put_activity_tracking put_metrics_monitoring put_replication delete_replication get_quota"},
	{"WM", "cloud-object-storage.object.", "copy copy_part delete delete_version post_multi_delete restore restore_version post_legal_hold post_extend_retention"},
	{"M", "cloud-object-storage.bucket.", "get_acl put_acl put_protection get_firewall put_firewall get_public_access_block put_public_access_block delete_public_access_block put_quota get_protection_management put_protection_management"},
	{"M", "cloud-object-storage.object.", "get_acl get_acl_version put_acl put_acl_version"},
	// Beyond IBM: the root key of a bucket, and the jobs that work on its keys.
	{"RWM", "cloud-object-storage.bucket.", "get_jobs"},
	{"M", "cloud-object-storage.bucket.", "put_encryption delete_encryption rewrap rekey verify"},
}

// oldNames are names that some actions had before, still read in custom roles
// (key-protect-api.md 3.4).
var oldNames = map[Action]Action{
	"kms.secrets.readmetadata":         "kms.secrets-metadata.read",
	"kms.secrets.listkeyversions":      "kms.secrets-key-versions.list",
	"kms.keyversions.list":             "kms.secrets-key-versions.list",
	"kms.secrets.createalias":          "kms.secrets-alias.create",
	"kms.secrets.deletealias":          "kms.secrets-alias.delete",
	"kms.secrets.eventack":             "kms.secrets-event.ack",
	"kms.keyrings.create":              "kms.key-rings.create",
	"kms.keyrings.delete":              "kms.key-rings.delete",
	"kms.keyrings.list":                "kms.key-rings.list",
	"kms.importtoken.create":           "kms.import-token.create",
	"kms.importtoken.read":             "kms.import-token.read",
	"kms.instancepolicies.read":        "kms.instance-policies.read",
	"kms.instancepolicies.write":       "kms.instance-policies.write",
	"kms.instance.readallowedipport":   "kms.instance-allowed-ip-port.read",
	"kms.instance.readipwhitelistport": "kms.instance-allowed-ip-port.read",
	"kms.governance.configread":        "kms.governance-config.read",
}

// actionWords times 64 is how many actions there can be.
const actionWords = 4

// actionSet is a set of actions, by their number.
type actionSet [actionWords]uint64

func (s *actionSet) add(n int)      { s[n/64] |= 1 << (n % 64) }
func (s *actionSet) has(n int) bool { return s[n/64]>>(n%64)&1 == 1 }
func (s *actionSet) merge(o *actionSet) {
	for i := range s {
		s[i] |= o[i]
	}
}

// roleCatalog is the table of roles in the form that decisions need.
type roleCatalog struct {
	roles   map[string]*Role // by CRN
	order   []*Role
	actions []Action // by number
	numbers map[Action]int
}

// catalog never changes.
var catalog = newRoleCatalog()

func newRoleCatalog() *roleCatalog {
	c := &roleCatalog{roles: map[string]*Role{}, numbers: map[Action]int{}}
	for _, row := range roleRows {
		r := &Role{
			CRN: row.crn(), DisplayName: row.display, Description: row.description,
			Service: row.service, Platform: row.platform, Authorizes: row.authorizes,
		}
		c.roles[r.CRN] = r
		c.order = append(c.order, r)
	}
	for _, g := range grants {
		for name := range strings.FieldsSeq(g.names) {
			n := c.number(Action(g.prefix + name))
			for _, letter := range g.roles {
				c.order[strings.IndexRune(roleLetters, letter)].actions.add(n)
			}
		}
	}
	return c
}

func (c *roleCatalog) number(a Action) int {
	n, ok := c.numbers[a]
	if !ok {
		n = len(c.actions)
		c.numbers[a] = n
		c.actions = append(c.actions, a)
	}
	return n
}

// names lists the actions of a set that belong to a service, or all of them.
func (c *roleCatalog) names(s *actionSet, service string) []Action {
	var list []Action
	for n, a := range c.actions {
		if s.has(n) && (service == "" || strings.HasPrefix(string(a), service+".")) {
			list = append(list, a)
		}
	}
	slices.Sort(list)
	return list
}

// KnownAction reports whether some role allows the action. An action that is
// not known is allowed to the owners of accounts only.
func KnownAction(a Action) bool {
	_, ok := catalog.numbers[a]
	return ok
}

// Actions lists what the role allows in a service; for a platform role, or when
// service is empty, all that it allows.
func (r *Role) Actions(service string) []Action {
	if r.Platform {
		service = ""
	}
	return catalog.names(&r.actions, service)
}
