package kms

import (
	"strings"

	"strongroom/iam"
)

// Actions that a role may contain and that events are named after.
const (
	ActionCreate   iam.Action = "kms.secrets.create"
	ActionRead     iam.Action = "kms.secrets.read"
	ActionMetadata iam.Action = "kms.secrets-metadata.read"
	ActionList     iam.Action = "kms.secrets.list"
	ActionHead     iam.Action = "kms.secrets.head"
	ActionDelete   iam.Action = "kms.secrets.delete"
	ActionVersions iam.Action = "kms.secrets-key-versions.list"
	ActionWrap     iam.Action = "kms.secrets.wrap"
	ActionUnwrap   iam.Action = "kms.secrets.unwrap"
	ActionRewrap   iam.Action = "kms.secrets.rewrap"
	ActionRotate   iam.Action = "kms.secrets.rotate"

	ActionCreateImportToken iam.Action = "kms.import-token.create"
	ActionReadImportToken   iam.Action = "kms.import-token.read"

	ActionDisable     iam.Action = "kms.secrets.disable"
	ActionEnable      iam.Action = "kms.secrets.enable"
	ActionRestore     iam.Action = "kms.secrets.restore"
	ActionPurge       iam.Action = iam.PurgeKey
	ActionAuthorize   iam.Action = "kms.secrets.setkeyfordeletion"
	ActionUnauthorize iam.Action = "kms.secrets.unsetkeyfordeletion"
	ActionSync        iam.Action = "kms.secrets.sync"
	ActionPolicyRead  iam.Action = "kms.policies.read"
	ActionPolicyWrite iam.Action = "kms.policies.write"

	ActionCreateWithPolicies  iam.Action = "kms.secrets-with-policy-overrides.create"
	ActionInstancePolicyRead  iam.Action = "kms.instance-policies.read"
	ActionInstancePolicyWrite iam.Action = "kms.instance-policies.write"
	ActionAllowedPort         iam.Action = "kms.instance-allowed-ip-port.read"

	// ActionExpire names the event of a key that has come to its expiration date. No role contains
	// it: the service does it by itself.
	ActionExpire iam.Action = "kms.secrets.expire"

	ActionPatch       iam.Action = "kms.secrets.patch"
	ActionAliasCreate iam.Action = "kms.secrets-alias.create"
	ActionAliasDelete iam.Action = "kms.secrets-alias.delete"
	ActionRingCreate  iam.Action = "kms.key-rings.create"
	ActionRingList    iam.Action = "kms.key-rings.list"
	ActionRingDelete  iam.Action = "kms.key-rings.delete"

	ActionRegistrationList    iam.Action = "kms.registrations.list"
	ActionRegistrationCreate  iam.Action = "kms.registrations.create"
	ActionRegistrationWrite   iam.Action = "kms.registrations.write"
	ActionRegistrationReplace iam.Action = "kms.registrations.merge"
	ActionRegistrationDelete  iam.Action = "kms.registrations.delete"

	// ActionWatch names the event of a service that begins to watch a key. No role contains it: who
	// may unwrap by the key may.
	ActionWatch iam.Action = "kms.secrets-standing.watch"

	// ActionUnknown names the event of a request that is for a key but for no known action. No
	// role contains it: who may read the key's metadata hears what is wrong.
	ActionUnknown iam.Action = "kms.secrets.default"
)

// decidedAs is the action that a role must contain for a.
func decidedAs(a iam.Action) iam.Action {
	switch a {
	case ActionUnknown:
		return ActionMetadata
	case ActionWatch:
		return ActionUnwrap
	}
	return a
}

// usesData tells an action that touches what keys protect from one that manages them.
func usesData(a iam.Action) bool {
	switch a {
	case ActionWrap, ActionUnwrap, ActionRewrap, ActionRead:
		return true
	}
	return false
}

// typeURI is the CADF type of what an action is done to: the action without its verb.
func typeURI(a iam.Action) string {
	s := string(a)
	return strings.ReplaceAll(s[:strings.LastIndexByte(s, '.')], ".", "/")
}
