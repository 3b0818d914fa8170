// Package explain computes how much each part of an input contributes to an output of a model, by running
// the model on changed copies of the input: feature ablation and occlusion, as the Python library Captum
// (0.7) defines them. It has only pure functions, without engine, HTTP or waiting; all are safe for
// concurrent use.
//
// A feature is a set of elements of the input. Its difference is the score of the model for the input minus the
// score for the input with the elements of the feature replaced by a baseline; the score is one element of an
// output. The attribution of an element is the mean of the differences of the features that contain it. A
// feature that supports the score has a positive difference.
//
//   - Feature ablation has features without a common element: each element, each channel, each position of the
//     first axis, or the groups of a mask.
//   - Occlusion has the positions of a window. The first is at the index 0 of each axis, and further ones follow
//     by the stride until the axis is covered: ceil((size - window) / stride) + 1 of them. The last one may
//     reach over the end and is cut off there.
//
// [Parse] reads [Options] from a query. [Options.Plan] makes the [Plan] for the input of a request:
// [Plan.Perturb] makes the changed inputs, and [Plan.Attributions] the result from their differences.
package explain

import "fmt"

// Method is how an explanation is computed.
type Method uint8

// The methods.
const (
	Default Method = iota // Occlusion for pictures, else Ablation
	Ablation
	Occlusion
)

var methods = [...]string{"default", "ablation", "occlusion"}

func (m Method) String() string { return methods[m] }

// Form is the form of an answer.
type Form uint8

// The forms.
const (
	Attributions Form = iota // for each element, nested as the input: as TorchServe answers
	Details                  // an object with the attributions and how they were computed
	Grid                     // the object with the difference of each feature instead of the attributions
)

var forms = [...]string{"attributions", "details", "grid"}

func (f Form) String() string { return forms[f] }

// Features are the features of an ablation.
type Features uint8

// The features.
const (
	Elements Features = iota // each element
	Channels                 // each channel of a picture, the axis of 1, 3 or 4
	Rows                     // each position of the first axis, such as the tokens of a text
)

var featureNames = [...]string{"elements", "channels", "rows"}

func (f Features) String() string { return featureNames[f] }

// Options are what a caller chooses. The zero value is an explanation with the defaults.
type Options struct {
	Method   Method
	Input    string  // name of the input that is explained; "" is the first one
	Output   string  // name of the output whose score is explained; "" is the first one
	Target   []int64 // index of the score in the output; nil is the largest element
	Baseline *float64
	Window   []int64 // a size for each axis of the input; nil is chosen from the shape
	Stride   []int64 // a step for each axis, or one for all; nil is 1, or half of a chosen window
	Features Features
	Mask     []int64 // the feature of each element of the input, in row-major order; nil is none
	Form     Form
}

// MaxPasses is the largest number of forward passes of an explanation: rows that the model runs.
const MaxPasses = 4096

// maxRank is the largest number of axes.
const maxRank = 16

// CheckPasses returns an error if a request needs too many forward passes.
func CheckPasses(n int64) error {
	if n <= MaxPasses {
		return nil
	}
	return fmt.Errorf("the explanation needs %d forward passes, and at most %d are allowed; use fewer features: features=channels, features=rows or a mask, "+
		"or method=occlusion with a larger window and stride", n, MaxPasses)
}

// Explainer is a handler of a model of tensors that has a form of its own for explanations.
type Explainer interface {
	// Explanation returns the form for a request, of which state is what the handler left while it decoded. An error
	// says why there are no explanations.
	Explanation(state any) (Wrapping, error)
}

// Wrapping is how the explanations of a request are put into its answer.
type Wrapping struct {
	// Member is the name of the member with the list of the explanations of all rows; "" means that the
	// answer is the explanation of the one row.
	Member string
	// Words has the words of each row, if these are explained; else nil.
	Words []Words
}

// Words are the words of a text, of which each is a feature.
type Words struct {
	Texts    []string
	Elements [][]int // of the first input, for each word
	Baseline float64 // if the caller gives none
}
