# frozen_string_literal: true
# SPDX-License-Identifier: Apache-2.0
#
# TLS: the server verified by its authority, the client known by its certificate, and refusals.

def round_trip(context, connection, body = 'over TLS')
  channel = connection.create_channel
  channel.confirm_select
  q = context.queue(channel)
  context.publish(channel, q, body)
  expect(context.drain(q) == [body], true, 'the message came back')
end

test 'tls_with_server_verified' do
  round_trip(self, connect_with(tls_options))
end

test 'tls_mutual' do
  round_trip(self, connect_with(tls_options(with_certificate)))
end

test 'tls_external_by_common_name' do
  external = { auth_mechanism: 'EXTERNAL', user: nil, password: nil }
  round_trip(self, connect_with(tls_options(with_certificate.merge(external))))
end

test 'tls_carries_a_large_message' do
  round_trip(self, connect_with(tls_options), SecureRandom.bytes(5_000_000))
end

test 'tls_wrong_password_is_403' do
  connect_with(tls_options(password: 'wrong'))
  raise Mismatch, 'a wrong password was accepted'
rescue Bunny::AuthenticationFailureError => error
  expect(error.username, ENV.fetch('AMQP_USER'), 'user')
end

test 'tls_with_another_authority_is_refused_by_the_client' do
  connect_with(tls_options(tls_ca_certificates: ['/etc/ssl/certs/ca-certificates.crt']))
  raise Mismatch, 'connected without trusting the authority'
rescue OpenSSL::SSL::SSLError, Bunny::TCPConnectionFailed => error
  expect_true(error.message.include?('certificate verify failed'), error.message)
end

test 'plain_client_on_the_tls_port_is_refused' do
  begin
    connect(port: ENV.fetch('AMQP_TLS_PORT').to_i, continuation_timeout: 5000, connection_timeout: 5)
    raise Mismatch, 'AMQP without TLS was accepted on the TLS port'
  rescue Bunny::Exception, AMQ::Protocol::FrameTypeError, IOError, SystemCallError, Timeout::Error
    nil
  end
  round_trip(self, connect_with(tls_options))
end
