package resource

import "strongroom/iam"

// What may be done here, in the names that roles contain and events carry.
const (
	ActionInstanceCreate   iam.Action = "resource-controller.instance.create"
	ActionInstanceRetrieve iam.Action = "resource-controller.instance.retrieve"
	ActionInstanceUpdate   iam.Action = "resource-controller.instance.update"
	ActionInstanceDelete   iam.Action = "resource-controller.instance.delete"
	// ActionInstanceUpdatePlan is needed beside update to change the plan.
	ActionInstanceUpdatePlan iam.Action = "resource-controller.instance.update_plan"
	// ActionOnetimeOff is needed beside update to let secrets of resource keys be
	// shown again that so far were shown once.
	ActionOnetimeOff     iam.Action = "resource-controller.instance.update_onetime_credentials_off"
	ActionInstanceLock   iam.Action = "resource-controller.instance.lock"
	ActionInstanceUnlock iam.Action = "resource-controller.instance.unlock"

	ActionReclamationRetrieve iam.Action = "resource-controller.reclamation.retrieve"
	ActionReclamationReclaim  iam.Action = "resource-controller.reclamation.reclaim"
	ActionReclamationRestore  iam.Action = "resource-controller.reclamation.restore"

	ActionKeyCreate   iam.Action = "resource-controller.key.create"
	ActionKeyRetrieve iam.Action = "resource-controller.key.retrieve"
	ActionKeyUpdate   iam.Action = "resource-controller.key.update"
	ActionKeyDelete   iam.Action = "resource-controller.key.delete"
	// ActionCredentialRetrieve lets a caller see the secrets of a resource key.
	// Without it they read as redacted.
	ActionCredentialRetrieve iam.Action = "resource-controller.credential.retrieve_all"

	ActionGroupCreate   iam.Action = "resource-controller.group.create"
	ActionGroupRetrieve iam.Action = "resource-controller.group.retrieve"
	ActionGroupUpdate   iam.Action = "resource-controller.group.update"
	ActionGroupDelete   iam.Action = "resource-controller.group.delete"

	ActionTagAttach iam.Action = "resource-controller.tag.attach"
	ActionTagDetach iam.Action = "resource-controller.tag.detach"
)

// Names under which lists are recorded. No role contains them: every member of
// an account may ask, and sees what it may retrieve.
const (
	ActionInstanceList    iam.Action = "resource-controller.instance.list"
	ActionReclamationList iam.Action = "resource-controller.reclamation.list"
	ActionKeyList         iam.Action = "resource-controller.key.list"
	ActionGroupList       iam.Action = "resource-controller.group.list"
	ActionTagList         iam.Action = "resource-controller.tag.list"
)
