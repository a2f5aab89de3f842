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

	// ActionUnknown names the event of a request that is for a key but for no known action. No
	// role contains it: who may read the key's metadata hears what is wrong.
	ActionUnknown iam.Action = "kms.secrets.default"
)

// decidedAs is the action that a role must contain for a.
func decidedAs(a iam.Action) iam.Action {
	if a == ActionUnknown {
		return ActionMetadata
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
