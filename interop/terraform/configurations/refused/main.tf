# SPDX-License-Identifier: Apache-2.0
# What a broker refuses, each by its name in the variable `what`.

terraform {
  required_providers {
    rabbitmq = {
      source = "cyrilgdn/rabbitmq"
    }
  }
}

variable "what" {
  type = string
}

resource "rabbitmq_policy" "refused" {
  count = var.what == "policy" ? 1 : 0
  name  = "refused"
  vhost = "/"

  policy {
    pattern  = "^"
    priority = 0
    apply_to = "queues"

    definition = {
      max-length = -1
    }
  }
}

resource "rabbitmq_queue" "refused" {
  count = var.what == "queue" ? 1 : 0
  name  = "amq.refused"

  settings {
    durable = true
  }
}

resource "rabbitmq_exchange" "refused" {
  count = var.what == "exchange" ? 1 : 0
  name  = "refused"

  settings {
    type = "nonsense"
  }
}

resource "rabbitmq_binding" "refused" {
  count            = var.what == "binding" ? 1 : 0
  vhost            = "/"
  source           = "there is none"
  destination      = "nor here"
  destination_type = "queue"
}

resource "rabbitmq_permissions" "refused" {
  count = var.what == "permissions" ? 1 : 0
  user  = "there is none"
  vhost = "/"

  permissions {
    configure = ""
    write     = ""
    read      = ""
  }
}
