package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// errCredentials refuses credentials where everybody is anonymous.
var errCredentials = fault.New(fault.Invalid, "a website takes no credentials")

// findSite makes a request to the host of a website one for the page that its path names.
func (f *face) findSite(q *request, bucket string) (*httpface.Route[iam.Caller], error) {
	q.bucket, q.site, q.parsed = bucket, true, true
	var err error
	if q.key, err = url.PathUnescape(strings.TrimPrefix(q.R.URL.EscapedPath(), "/")); err != nil {
		return nil, errURI.On("path", "an escape is not valid")
	}
	if q.R.Method != http.MethodGet && q.R.Method != http.MethodHead {
		return nil, errMethod.On("", q.R.Method)
	}
	return &httpface.Route[iam.Caller]{
		Method: q.R.Method, Path: onObject.String(), Action: string(objects.ActionObjectGet),
		Open: func(ctx context.Context, _ *httpface.Call) (httpface.Answer, error) { return f.page(ctx, q) },
	}, nil
}

// page answers a request to a website: by a redirection, the object that the path names, or the index
// of the folder. Objects are read on behalf of nobody, so that only what is public is served.
func (f *face) page(ctx context.Context, q *request) (httpface.Answer, error) {
	if q.header("Authorization") != "" {
		return httpface.Answer{}, errCredentials
	}
	q.who = iam.Anonymous(q.Trail)
	asked := q.key
	site, err := f.Objects.Site(ctx, q.bucket)
	if err != nil {
		return httpface.Answer{}, siteFault(err)
	}
	if site.Redirect != nil {
		return f.redirect(q, *site.Redirect, "", asked), nil
	}
	for _, rule := range site.Rules {
		if rule.Status == "" && strings.HasPrefix(asked, rule.Prefix) {
			return f.redirect(q, rule.Redirect, rule.Prefix, asked), nil
		}
	}
	if asked == "" || strings.HasSuffix(asked, "/") {
		q.key += site.Index
	}
	answer, err := f.siteObject(ctx, q)
	if err == nil {
		return answer, nil
	}
	return f.pageless(ctx, q, &site, asked, err)
}

// siteObject serves one object, or the redirection that it was stored with.
func (f *face) siteObject(ctx context.Context, q *request) (httpface.Answer, error) {
	find := f.Objects.Get
	if q.R.Method == http.MethodHead {
		find = f.Objects.Head
	}
	answer, err := f.show(ctx, q, find)
	if err != nil {
		return answer, err
	}
	if to := answer.Header.Get("X-Amz-Website-Redirect-Location"); to != "" {
		if answer.Content != nil {
			_ = answer.Content.Close() // it was not read
		}
		return httpface.Answer{Status: http.StatusMovedPermanently, Header: http.Header{"Location": {to}}}, nil
	}
	return answer, nil
}

// pageless answers when there is no page, or none that is public: with the folder of that name, where
// a rule leads to, or the document for errors.
func (f *face) pageless(ctx context.Context, q *request, site *objects.Website, asked string, cause error) (httpface.Answer, error) {
	status := reasonFor(cause).status
	if status == http.StatusNotModified || status == http.StatusRequestedRangeNotSatisfiable {
		return httpface.Answer{}, cause
	}
	if status == http.StatusNotFound && q.key == asked && f.isFolder(ctx, q, asked+"/"+site.Index) {
		return httpface.Answer{Status: http.StatusFound, Header: http.Header{"Location": {(&url.URL{Path: "/" + asked + "/"}).EscapedPath()}}}, nil
	}
	for _, rule := range site.Rules {
		if rule.Status == strconv.Itoa(status) && strings.HasPrefix(asked, rule.Prefix) {
			return f.redirect(q, rule.Redirect, rule.Prefix, asked), nil
		}
	}
	if site.Error == "" {
		return httpface.Answer{}, siteFault(cause)
	}
	q.key = site.Error
	q.R.Header.Del("Range") // it was meant for the page
	q.R.Header.Del("If-None-Match")
	q.R.Header.Del("If-Modified-Since")
	answer, err := f.siteObject(ctx, q)
	if err != nil {
		return httpface.Answer{}, siteFault(cause)
	}
	if answer.Status == 0 {
		answer.Status = status
	}
	return answer, nil
}

// isFolder reports whether everybody may read the index of a folder.
func (f *face) isFolder(ctx context.Context, q *request, index string) bool {
	_, err := f.Objects.Head(ctx, q.who, objects.Read{Bucket: q.bucket, Key: index})
	return err == nil
}

// redirect sends the browser elsewhere: what a redirection leaves empty stays as it was asked for.
func (f *face) redirect(q *request, to objects.Redirect, prefix, key string) httpface.Answer {
	target := url.URL{Scheme: to.Protocol, Host: to.Host}
	if target.Host == "" {
		target.Host = q.R.Host
	}
	if target.Scheme == "" {
		target.Scheme = "https"
		if q.R.TLS == nil {
			target.Scheme = "http"
		}
	}
	switch {
	case to.Key != "":
		key = to.Key
	case to.Prefix != "":
		key = to.Prefix + strings.TrimPrefix(key, prefix)
	}
	target.Path = "/" + key
	status, err := strconv.Atoi(to.Code)
	if err != nil {
		status = http.StatusMovedPermanently
	}
	return httpface.Answer{Status: status, Header: http.Header{"Location": {target.String()}}}
}

// siteFault gives a missing configuration its name.
func siteFault(err error) error {
	if errors.Is(err, objects.ErrNoConfig) {
		return errNoWebsite
	}
	return err
}

// siteFailure renders an error for a person with a browser.
func siteFailure(r reason, id string) httpface.Answer {
	var b bytes.Buffer
	title := fmt.Sprintf("%d %s", r.status, html.EscapeString(r.code))
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html lang=\"en\"><head><title>%s</title></head><body><h1>%s</h1><p>%s</p><p>Request ID: %s</p></body></html>\n",
		title, title, html.EscapeString(r.message), html.EscapeString(id))
	return httpface.Answer{Status: r.status, Type: "text/html; charset=utf-8", Bytes: b.Bytes()}
}
