package torchserve

import (
	"encoding/json"
	"fmt"
)

// The files of a vocabulary in an archive or a folder; the second is TorchServe's, which is not read.
const (
	VocabularyFile = "vocab.json"
	PickledFile    = "source_vocab.pt"
)

// maxVocabulary is the largest size of the file in bytes.
const maxVocabulary = 256 << 20

// Vocabulary has the ids of the tokens of a model of text. It is safe for concurrent use.
type Vocabulary struct {
	ids     map[string]int64
	unknown int64 // the id of tokens that are not in it; -1 if there is none
}

// unknownToken is the token whose id all unknown tokens get.
const unknownToken = "<unk>"

// ParseVocabulary reads a vocab.json: {"token": id, ...}, or a list of tokens, whose ids are their places. Unknown tokens
// get the id of <unk>; without it, a text with one is refused.
func ParseVocabulary(data []byte) (*Vocabulary, error) {
	if len(data) > maxVocabulary {
		return nil, fmt.Errorf("%d bytes, expected at most %d", len(data), maxVocabulary)
	}
	if len(data) > 1 && (data[0] == 0x80 || data[0] == 'P' && data[1] == 'K') {
		return nil, PickledVocabulary()
	}
	v := &Vocabulary{unknown: -1}
	var list []string
	if err := json.Unmarshal(data, &list); err == nil {
		v.ids = make(map[string]int64, len(list))
		for i, token := range list {
			v.ids[token] = int64(i)
		}
	} else if err := json.Unmarshal(data, &v.ids); err != nil {
		return nil, fmt.Errorf(`%w; write {"token": id, ...} or a list of tokens in the order of their ids`, err)
	}
	if len(v.ids) == 0 {
		return nil, fmt.Errorf(`the vocabulary has no tokens; write {"token": id, ...} or a list of tokens in the order of their ids`)
	}
	for token, id := range v.ids {
		if id < 0 {
			return nil, fmt.Errorf("token %.40q has the id %d; ids are 0 or more", token, id)
		}
	}
	if id, ok := v.ids[unknownToken]; ok {
		v.unknown = id
	}
	return v, nil
}

// PickledVocabulary returns the error for a vocabulary that PyTorch has saved.
func PickledVocabulary() error {
	return fmt.Errorf(`a vocabulary saved by PyTorch (%s) can only be read by Python; export it once and pack %s beside the model: `+
		`python -c 'import torch, json; v = torch.load("%s"); json.dump(v.get_stoi() if hasattr(v, "get_stoi") else dict(v.stoi), open("%s", "w"))'`,
		PickledFile, VocabularyFile, PickledFile, VocabularyFile)
}

// ID returns the id of a token; false if the vocabulary has neither it nor <unk>.
func (v *Vocabulary) ID(token string) (int64, bool) {
	if id, ok := v.ids[token]; ok {
		return id, true
	}
	return v.unknown, v.unknown >= 0
}

// Len returns the number of tokens.
func (v *Vocabulary) Len() int { return len(v.ids) }
