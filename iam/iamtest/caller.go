package iamtest

import (
	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/iam"
)

// Caller returns a user of an account, on a request of its own.
func Caller(account iam.AccountID, name string) iam.Caller {
	return iam.Caller{
		Identity: iam.IdentityID("IBMid-" + name), Kind: iam.KindUser, Account: account, Name: name,
		Trail: &audit.Trail{CorrelationID: uuid.NewString(), URI: "/test", Address: "192.0.2.1"},
	}
}
