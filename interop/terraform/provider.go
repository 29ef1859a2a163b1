// SPDX-License-Identifier: Apache-2.0

// The RabbitMQ provider of Terraform as its own main package starts it. The module says in its go.mod
// that it has another name than the one by which it is published, so it can be a part of a program only.
package main

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/plugin"
	"github.com/terraform-providers/terraform-provider-rabbitmq/rabbitmq"
)

func main() {
	plugin.Serve(&plugin.ServeOpts{ProviderFunc: rabbitmq.Provider})
}
