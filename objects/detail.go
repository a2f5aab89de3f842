package objects

// request adds to the event of a visit what the request said.
func (v *visit) request(name string, value any) {
	if v.event.RequestData == nil {
		v.event.RequestData = map[string]any{}
	}
	v.event.RequestData[name] = value
}

// respond adds to the event of a visit what the answer says.
func (v *visit) respond(name string, value any) {
	if v.event.ResponseData == nil {
		v.event.ResponseData = map[string]any{}
	}
	v.event.ResponseData[name] = value
}
