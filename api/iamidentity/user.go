package iamidentity

import (
	"context"
	"errors"
	"strconv"
	"time"

	"strongroom/iam"
	"strongroom/internal/httpface"
)

// usersRequest invites people; in ours they are members at once.
type usersRequest struct {
	Users []struct {
		Email     string `json:"email"`
		Role      string `json:"account_role"`
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
	} `json:"users"`
}

type invitedUser struct {
	Email string `json:"email"`
	ID    string `json:"id"`
	State string `json:"state"`
}

type invitedUsers struct {
	Resources []invitedUser `json:"resources"`
}

// user is a member of an account as clients see it. ID and IAMID are the same,
// so that either serves in a path.
type user struct {
	ID             string `json:"id"`
	IAMID          string `json:"iam_id"`
	Realm          string `json:"realm"`
	UserID         string `json:"user_id"`
	FirstName      string `json:"firstname"`
	LastName       string `json:"lastname"`
	State          string `json:"state"`
	Email          string `json:"email"`
	PhoneNumber    string `json:"phonenumber"`
	AltPhoneNumber string `json:"altphonenumber"`
	Photo          string `json:"photo"`
	AccountID      string `json:"account_id"`
	AddedOn        string `json:"added_on"`
}

func newUser(u iam.User) user {
	return user{
		ID: string(u.Identity), IAMID: string(u.Identity), Realm: "IBMid", UserID: u.Email,
		FirstName: u.FirstName, LastName: u.LastName, State: string(u.State), Email: u.Email,
		AccountID: string(u.Account), AddedOn: stamp(u.Added),
	}
}

// maxInvited is how many people one request may add.
const maxInvited = 100

func readUsers(c *httpface.Call) ([]iam.NewUser, error) {
	var in usersRequest
	if err := c.JSON(&in, httpface.AnyFields); err != nil {
		return nil, err
	}
	if len(in.Users) == 0 || len(in.Users) > maxInvited {
		return nil, iam.ErrIdentityInvalid.On("users", "must have 1 to "+strconv.Itoa(maxInvited)+" entries")
	}
	all := make([]iam.NewUser, 0, len(in.Users))
	for _, u := range in.Users {
		switch u.Role {
		case "", "Member", "MEMBER", "member":
		default:
			return nil, errUnsupport.On("account_role", "grant roles by policies")
		}
		all = append(all, iam.NewUser{Email: u.Email, FirstName: u.FirstName, LastName: u.LastName})
	}
	return all, nil
}

// createUsers adds people one by one, each with its own event. It stops at the
// first that cannot be added; one who is a member already counts as added, so
// that the request can be repeated.
func (f *face) createUsers(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	account := iam.AccountID(c.Path("account"))
	all, err := readUsers(c)
	if err != nil {
		return httpface.Answer{}, f.identities.RefuseUser(ctx, who, iam.Action(c.Action), account, "", err)
	}
	out := invitedUsers{Resources: make([]invitedUser, 0, len(all))}
	for _, n := range all {
		u, err := f.identities.AddUser(ctx, who, account, n)
		if err != nil && !errors.Is(err, iam.ErrIdentityExists) {
			return httpface.Answer{}, err
		}
		out.Resources = append(out.Resources, invitedUser{Email: u.Email, ID: string(u.Identity), State: string(u.State)})
	}
	return httpface.Answer{Body: out}, nil
}

// userList is one page of the users of an account.
type userList struct {
	Total     int    `json:"total_results"`
	Limit     int    `json:"limit"`
	FirstURL  string `json:"first_url"`
	NextURL   string `json:"next_url,omitempty"`
	Resources []user `json:"resources"`
}

func (f *face) listUsers(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	account := iam.AccountID(c.Path("account"))
	l := iam.IdentityListing{Limit: iam.MaxIdentityPage}
	if v, ok := c.Query("limit"); ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > iam.MaxIdentityPage {
			err = iam.ErrIdentityInvalid.On("limit", "must be 1 to "+strconv.Itoa(iam.MaxIdentityPage))
			return httpface.Answer{}, f.identities.RefuseUser(ctx, who, iam.Action(c.Action), account, "", err)
		}
		l.Limit = n
	}
	l.Token, _ = c.Query("_start")
	p, total, err := f.identities.Users(ctx, who, account, l)
	if err != nil {
		return httpface.Answer{}, err
	}
	path := c.R.URL.EscapedPath() + "?limit=" + strconv.Itoa(p.Limit)
	out := userList{Total: total, Limit: p.Limit, FirstURL: path, Resources: make([]user, 0, len(p.Items))}
	if p.Next != "" {
		out.NextURL = path + "&_start=" + p.Next
	}
	for _, u := range p.Items {
		out.Resources = append(out.Resources, newUser(u))
	}
	return httpface.Answer{Body: out}, nil
}

func (f *face) getUser(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	u, err := f.identities.User(ctx, who, iam.AccountID(c.Path("account")), iam.IdentityID(c.Path("id")))
	return httpface.Answer{Body: newUser(u)}, err
}

// userChange is the body of an update; absent members stay as they are.
type userChange struct {
	FirstName *string        `json:"firstname"`
	LastName  *string        `json:"lastname"`
	State     *iam.UserState `json:"state"`
}

func (f *face) updateUser(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	account, id := iam.AccountID(c.Path("account")), iam.IdentityID(c.Path("id"))
	var in userChange
	if err := c.JSON(&in, httpface.AnyFields); err != nil {
		return httpface.Answer{}, f.identities.RefuseUser(ctx, who, iam.Action(c.Action), account, id, err)
	}
	return httpface.Answer{}, f.identities.UpdateUser(ctx, who, account, id, iam.UserChange(in))
}

func (f *face) deleteUser(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	return httpface.Answer{}, f.identities.DeleteUser(ctx, who, iam.AccountID(c.Path("account")), iam.IdentityID(c.Path("id")))
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
