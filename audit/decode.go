package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// maxNesting bounds the depth of an event's JSON that is read: data of maxDepth inside the event,
// with room for shapes to come.
const maxNesting = 16

// wireEvent is the JSON shape of an event.
type wireEvent struct {
	ID            string         `json:"id"`
	Time          string         `json:"eventTime"`
	Action        string         `json:"action"`
	Outcome       Outcome        `json:"outcome"`
	Severity      Severity       `json:"severity"`
	Message       string         `json:"message"`
	CorrelationID string         `json:"correlationId"`
	DataEvent     bool           `json:"dataEvent"`
	LogSourceCRN  string         `json:"logSourceCRN"`
	Account       string         `json:"accountId"`
	Initiator     wireInitiator  `json:"initiator"`
	Target        wireTarget     `json:"target"`
	Reason        wireReason     `json:"reason"`
	RequestData   map[string]any `json:"requestData"`
	ResponseData  map[string]any `json:"responseData"`
}

type wireInitiator struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	TypeURI    string `json:"typeURI"`
	AuthnID    string `json:"authnId"`
	AuthnName  string `json:"authnName"`
	Credential struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"credential"`
	Host struct {
		Address     string `json:"address"`
		AddressType string `json:"addressType"`
		Agent       string `json:"agent"`
	} `json:"host"`
}

type wireTarget struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	TypeURI         string `json:"typeURI"`
	ResourceGroupID string `json:"resourceGroupId"`
}

type wireReason struct {
	Code       int    `json:"reasonCode"`
	Type       string `json:"reasonType"`
	ForFailure string `json:"reasonForFailure"`
}

// UnmarshalJSON reads an event as the log writes it. Numbers in the data become json.Number.
func (e *Event) UnmarshalJSON(text []byte) error {
	parsed, err := parseEvent(text)
	if err != nil {
		return err
	}
	*e = *parsed
	return nil
}

func parseEvent(text []byte) (*Event, error) {
	if len(text) > maxLine {
		return nil, fmt.Errorf("parsing event: %d bytes, at most %d", len(text), maxLine)
	}
	if nesting(text) > maxNesting {
		return nil, errors.New("parsing event: nested too deep")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var w wireEvent
	if err := dec.Decode(&w); err != nil {
		return nil, fmt.Errorf("parsing event: %w", err)
	}
	if dec.InputOffset() != int64(len(text)) {
		return nil, errors.New("parsing event: more than one value")
	}
	when, err := time.Parse(timeLayout, w.Time)
	if err != nil {
		return nil, fmt.Errorf("parsing event: %w", err)
	}
	return w.event(when), nil
}

func (w *wireEvent) event(when time.Time) *Event {
	return &Event{
		ID: w.ID, Time: when.UTC(), Action: w.Action, Outcome: w.Outcome, Severity: w.Severity,
		Message: w.Message, CorrelationID: w.CorrelationID, DataEvent: w.DataEvent,
		LogSourceCRN: w.LogSourceCRN, Account: w.Account,
		Initiator: Initiator{
			ID: w.Initiator.ID, Name: w.Initiator.Name, TypeURI: w.Initiator.TypeURI,
			AuthnID: w.Initiator.AuthnID, AuthnName: w.Initiator.AuthnName,
			CredentialType: w.Initiator.Credential.Type, CredentialID: w.Initiator.Credential.ID,
			Host: Host(w.Initiator.Host),
		},
		Target: Target(w.Target), Reason: Reason(w.Reason),
		RequestData: w.RequestData, ResponseData: w.ResponseData,
	}
}

// nesting returns how deep the brackets of a JSON text go, so that hostile text is refused before a
// parser recurses into it.
func nesting(text []byte) int {
	depth, deepest := 0, 0
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
