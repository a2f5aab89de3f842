package server

import (
	"context"
	"fmt"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/resource"
)

// What the first start makes.
const (
	operatorName  = "Strongroom"
	operatorEmail = "admin@strongroom.localhost"
	kmsName       = "key-protect"
	kmsPlan       = "eedd3585-90c6-4c8f-be3d-062069e99fc3" // tiered-pricing
	cosName       = "object-storage"
	cosPlan       = "744bfc56-d12c-4866-88d5-dac9139e0e5d" // standard
	globalRegion  = "global"
)

// bootstrap makes what the first start promises, as far as it is not there yet:
// a start that was interrupted is finished by the next one. It returns the
// operator's account and writes the credentials file. With reset, the keys that
// the file held are withdrawn and new ones made.
func (h *house) bootstrap(ctx context.Context, url, s3URL string, reset bool) (iam.AccountID, error) {
	if _, err := h.identities.SystemAccount(ctx); err != nil {
		return "", fmt.Errorf("making the system account: %w", err)
	}
	account, key, err := h.operator(ctx)
	if err != nil {
		return "", fmt.Errorf("making the operator's account: %w", err)
	}
	group, err := h.resources.EnsureDefaultGroup(ctx, account.ID)
	if err != nil {
		return "", fmt.Errorf("making the default resource group: %w", err)
	}
	admin := iam.Caller{
		Identity: account.Owner, Kind: iam.KindUser, Account: account.ID, Owner: true, Name: operatorName,
		Trail: &audit.Trail{URI: "bootstrap", Time: h.now()},
	}
	kms, err := h.instance(ctx, admin, settingKMS, resource.NewInstance{
		Name: kmsName, Plan: kmsPlan, Target: h.fixed.region, ResourceGroup: group.ID,
	})
	if err != nil {
		return "", fmt.Errorf("making the Key Protect instance: %w", err)
	}
	cos, err := h.instance(ctx, admin, settingCOS, resource.NewInstance{
		Name: cosName, Plan: cosPlan, Target: globalRegion, ResourceGroup: group.ID,
	})
	if err != nil {
		return "", fmt.Errorf("making the object storage instance: %w", err)
	}
	p := place{
		url: url, s3URL: s3URL, region: h.fixed.region, account: string(account.ID), group: string(group.ID),
		kmsID: kms.Instance, kmsCRN: kms.String(), cosID: cos.Instance, cosCRN: cos.String(),
	}
	return account.ID, h.credentials(ctx, p, admin, key, reset)
}

// operator returns the account that was made with the deployment, and its API
// key if it was made just now.
func (h *house) operator(ctx context.Context) (iam.Account, *made, error) {
	id, err := h.db.Setting(ctx, settingOperator)
	if err != nil {
		return iam.Account{}, nil, err
	}
	all, err := h.identities.Accounts(ctx)
	if err != nil {
		return iam.Account{}, nil, err
	}
	for _, a := range all {
		if id == "" || string(a.ID) == id { // an interrupted first start has made one and not named it
			_, err := h.db.FixSetting(ctx, settingOperator, string(a.ID))
			return a, nil, err
		}
	}
	if id != "" {
		return iam.Account{}, nil, fmt.Errorf("account %s is missing from the database", id)
	}
	n, err := h.identities.CreateAccount(ctx, operatorName, iam.Person{
		Email: operatorEmail, FirstName: "Strongroom", LastName: "Administrator",
	})
	if err != nil {
		return iam.Account{}, nil, err
	}
	_, err = h.db.FixSetting(ctx, settingOperator, string(n.Account.ID))
	return n.Account, &made{id: n.Key.ID, value: n.APIKey}, err
}

// made is an API key whose value has not been written down yet.
type made struct {
	id    iam.APIKeyID
	value custody.Secret
}

// instance returns the CRN of an instance that the bootstrap has made, or makes
// it. An instance that was deleted since is not made again.
func (h *house) instance(ctx context.Context, admin iam.Caller, setting string, n resource.NewInstance) (crn.CRN, error) {
	name, err := h.db.Setting(ctx, setting)
	if err != nil {
		return crn.CRN{}, err
	}
	if name != "" {
		return crn.Parse(name)
	}
	i, err := h.resources.CreateInstance(ctx, admin, n)
	if err != nil {
		return crn.CRN{}, err
	}
	_, err = h.db.FixSetting(ctx, setting, i.CRN().String())
	return i.CRN(), err
}

// credentials writes the credentials file. Keys that it holds already are kept
// as they are, for they exist nowhere else; without them, and with reset, new
// ones are made and those of the file before are withdrawn.
func (h *house) credentials(ctx context.Context, p place, admin iam.Caller, key *made, reset bool) error {
	path := h.folder.file(credentialsFile)
	kept, err := readCredentials(path)
	if err != nil {
		return err
	}
	p.apiKey, p.accessKey, p.secretKey = kept["STRONGROOM_API_KEY"], kept["AWS_ACCESS_KEY_ID"], kept["AWS_SECRET_ACCESS_KEY"]
	lost := p.apiKey == "" || p.accessKey == "" || p.secretKey == ""
	before, err := h.db.Setting(ctx, settingKey)
	if err != nil {
		return err
	}
	renew := reset || (lost && before == "")
	withdrawn := []iam.APIKeyID{iam.APIKeyID(before)}
	if renew {
		held, err := h.holder(ctx, admin, p.apiKey)
		if err != nil {
			return err
		}
		withdrawn = append(withdrawn, held)
		if key, err = h.renew(ctx, &p, admin.Account, key); err != nil {
			return err
		}
	} else if lost {
		h.log.Warn("the credentials file was lost; make new credentials with: strongroom bootstrap --reset", "file", path)
	}
	if err := writeFile(path, credentialsOf(h.folder, p).encode(), 0o600); err != nil {
		return err
	}
	if !renew {
		return nil
	}
	// The file opens the door now, so the old keys may go. They are forgotten after
	// that: a reset which was cut short is made good by the next.
	for _, old := range withdrawn {
		if err := h.retire(ctx, admin, old); err != nil {
			return err
		}
	}
	if err := h.db.SetSetting(ctx, settingKey, string(key.id)); err != nil {
		return fmt.Errorf("remembering the API key: %w", err)
	}
	return nil
}

// holder returns which API key has the value that the file holds, if any has: a
// crash may have come between writing the file and remembering its key.
func (h *house) holder(ctx context.Context, admin iam.Caller, value string) (iam.APIKeyID, error) {
	if value == "" {
		return "", nil
	}
	k, err := h.identities.APIKeyByValue(ctx, admin, value)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return "", fmt.Errorf("looking for the old API key: %w", err)
	}
	return k.ID, nil
}

// renew makes the keys of a new credentials file: the API key, unless it was
// made with the account just now, and an HMAC credential that hangs on it.
func (h *house) renew(ctx context.Context, p *place, account iam.AccountID, key *made) (*made, error) {
	if key == nil {
		k, value, err := h.identities.ResetOwner(ctx, account)
		if err != nil {
			return nil, fmt.Errorf("making an API key: %w", err)
		}
		key = &made{id: k.ID, value: value}
	}
	defer key.value.Wipe()
	pair, secret, err := h.identities.CreateHMAC(ctx, key.id)
	if err != nil {
		return nil, fmt.Errorf("making an HMAC credential: %w", err)
	}
	defer secret.Wipe()
	p.apiKey, p.accessKey, p.secretKey = string(key.value.Reveal()), pair.AccessKeyID, string(secret.Reveal())
	return key, nil
}

// retire withdraws the API key of the file before, and with it the HMAC
// credential that hangs on it.
func (h *house) retire(ctx context.Context, admin iam.Caller, key iam.APIKeyID) error {
	if key == "" {
		return nil
	}
	err := h.identities.DeleteAPIKey(ctx, admin, key)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return fmt.Errorf("withdrawing the old API key %s, which has to be deleted by hand: %w", key, err)
	}
	return nil
}
