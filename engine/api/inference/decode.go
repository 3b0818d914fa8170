package inference

import (
	"net/http"

	"sweetspot/engine/api/wire"
	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// decode makes the item of a body. While it does, c holds what the body unpacks
// to; afterwards what of that is in the item.
func decode(c *wire.Claim, contentType string, body []byte, inputs []tensor.Spec) (tensor.Item, error) {
	unpacked := handler.DecodedSize(contentType, body, inputs)
	if err := c.Take(unpacked); err != nil {
		return nil, err
	}
	item, err := handler.Decode(contentType, body, inputs)
	if err != nil {
		return nil, wire.Errorf(http.StatusBadRequest, wire.BadRequest, "%v", err)
	}
	kept := int64(0)
	for _, t := range item {
		kept += int64(len(t.Data))
	}
	c.Give(unpacked - kept)
	return item, nil
}
