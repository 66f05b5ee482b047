// The article's handler with aws-lambda-go and the SDK: a row for each changed price.
package main

import (
	"context"
	"os"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

var client = dynamodb.New(dynamodb.Options{Region: os.Getenv("AWS_REGION"),
	BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL_DYNAMODB")),
	Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
	})})

func handle(ctx context.Context, event events.DynamoDBEvent) (map[string]any, error) {
	for _, r := range event.Records {
		before, after := r.Change.OldImage["price"], r.Change.NewImage["price"]
		if r.EventName != "MODIFY" || before.Number() == after.Number() {
			continue
		}
		_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("PriceHistory"),
			Item: map[string]types.AttributeValue{
				"product_id": &types.AttributeValueMemberS{Value: r.Change.Keys["product_id"].String()},
				"timestamp":  &types.AttributeValueMemberN{Value: strconv.FormatInt(r.Change.ApproximateCreationDateTime.Unix(), 10)},
				"old_price":  &types.AttributeValueMemberN{Value: before.Number()},
				"new_price":  &types.AttributeValueMemberN{Value: after.Number()},
			}})
		if err != nil {
			return nil, err
		}
	}
	return map[string]any{"batchItemFailures": []string{}}, nil
}

func main() { lambda.Start(handle) }
